// Tokens in Sec-WebSocket-Protocol: the one header that a page's WebSocket can set.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { refusal } from "../js/support/client.mjs";
import { query } from "../js/support/wire.mjs";
import { expired, mint } from "../js/support/token.mjs";
import { enter, nameOf } from "./support/client.mjs";
import { startServer } from "./support/server.mjs";

const WebSocket = createRequire(new URL("../js/package.json", import.meta.url))("ws");

const base64url = (text) => Buffer.from(text).toString("base64url");
const forms = {
  "the plain pair": (token) => ["chat.v1", token],
  "the Kubernetes form": (token) => [`base64url.bearer.authorization.gatehouse.${base64url(token)}`, "chat.v2"],
  "the AppSync form": (token) => ["chat.v2", `header-${base64url(JSON.stringify({ Authorization: token }))}`],
};

describe("subprotocols", () => {
  let target;
  before(async () => (target = await startServer()));
  after(() => target.stop());

  for (const [name, protocols] of Object.entries(forms)) {
    test(`the real client signs in with ${name}`, async (t) => {
      const socket = await enter(t, target, "websocket", { protocols: protocols(mint("ada")) });
      assert.equal(await nameOf(socket), "ada");
      const err = await refusal(t, target, "/chat", "websocket", { protocols: protocols(expired("ada")) });
      assert.equal(err.data.code, "token_expired");
    });

    test(`a bare WebSocket signs in with ${name} and gets a protocol back that is no token`, async (t) => {
      const offered = protocols(mint("ada"));
      const socket = new WebSocket(target.url.replace("http", "ws") + query({ transport: "websocket" }), offered);
      t.after(() => socket.terminate());
      const messages = [];
      const entered = new Promise((resolve) => socket.on("message", (data) => messages.push(String(data)) && String(data).startsWith("40/chat,") && resolve()));
      await once(socket, "open");
      assert.match(socket.protocol, /^chat\.v[12]$/);
      assert.ok(offered.includes(socket.protocol));
      socket.send("40/chat,");
      await entered;
    });
  }

  test("a token alone is refused before there is a WebSocket", async () => {
    const offered = forms["the Kubernetes form"](mint("ada")).slice(0, 1);
    const socket = new WebSocket(target.url.replace("http", "ws") + query({ transport: "websocket" }), offered);
    const [err] = await once(socket, "error");
    assert.match(err.message, /400/);
  });

  test("over polling there are no protocols, as the documentation says", async (t) => {
    const err = await refusal(t, target, "/chat", "polling", { protocols: forms["the plain pair"](mint("ada")) });
    assert.equal(err.data.code, "unauthenticated");
  });
});
