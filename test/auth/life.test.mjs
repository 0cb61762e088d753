// How a session goes on and how it ends, as the real client sees it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { event, modes, refusal, request } from "../js/support/client.mjs";
import { mint } from "../js/support/token.mjs";
import { enter, nameOf, soon } from "./support/client.mjs";
import { adminKey, call, startServer } from "./support/server.mjs";

const in_ = (seconds) => Math.floor(Date.now() / 1000) + seconds;
const operator = { authorization: `Bearer ${adminKey}` };

describe("a session's life", () => {
  let target;
  before(async () => (target = await startServer()));
  after(() => target.stop());

  for (const mode of modes) {
    test(`a client with an auth function comes back by itself when its token ends over ${mode}`, async (t) => {
      const tokens = [mint("ada", { exp: in_(2) }), mint("ada")];
      const socket = await enter(t, target, mode, { auth: (give) => give({ token: tokens.shift() }), reconnection: true, reconnectionDelay: 10 });
      const left = event(socket, "disconnect");
      const back = left.then(() => event(socket, "connect", { failure: "connect_error" }));
      const [{ expiresAt }] = await event(socket, "auth:expiring");
      assert.ok(expiresAt >= Date.now() - 1000);
      const [reason] = await left;
      assert.match(reason, /^transport (close|error)$/);
      await back;
      assert.equal(await nameOf(socket), "ada");
    });

    test(`a refresh before the end keeps the session over ${mode}`, async (t) => {
      const socket = await enter(t, target, mode, { auth: { token: mint("ada", { exp: in_(3) }) } });
      await event(socket, "auth:expiring");
      const wrong = await request(socket, "auth:refresh", { token: mint("bob") });
      assert.equal(wrong.error.code, "forbidden");
      const answer = await request(socket, "auth:refresh", { token: mint("ada") });
      assert.equal(answer.ok, true);
      assert.ok(answer.expiresAt > Date.now() + 3_000_000);
      assert.equal(await nameOf(socket), "ada");
    });

    test(`who is revoked is told, sent away and kept out over ${mode}`, async (t) => {
      const user = `eve ${mode}`;
      const token = mint(user);
      const socket = await enter(t, target, mode, { auth: { token }, reconnection: true, reconnectionDelay: 10 });
      const told = event(socket, "auth:revoked");
      const left = event(socket, "disconnect");
      const { status, answer } = await call(target, "/api/v1/revocations", { body: { subject: user, reason: "lost laptop" }, headers: operator });
      assert.equal(status, 200);
      assert.equal(answer.ended, 1);
      assert.deepEqual(await told, [{ reason: "lost laptop" }]);
      const [reason] = await left;
      assert.equal(reason, "io server disconnect", "so that the client stays away");
      const err = await refusal(t, target, "/chat", mode, { auth: { token } });
      assert.equal(err.data.code, "token_invalid");
      // The next login works.
      const later = mint(user, { iat: in_(2) });
      assert.equal(await nameOf(await enter(t, target, mode, { auth: { token: later } })), user);
    });
  }

  test("operators see what there is, others see nothing", async (t) => {
    const socket = await enter(t, target, "websocket", { auth: { token: mint("ada") } });
    const { answer } = await call(target, "/api/v1/stats", { headers: operator });
    assert.ok(answer.sockets >= 1 && answer.namespaces["/chat"] >= 1);
    assert.equal((await call(target, "/api/v1/stats", {})).status, 401);
    const metrics = await (await fetch(`${target.url}/metrics`, { headers: operator })).text();
    assert.match(metrics, /^gatehouse_sockets [1-9]/m);
    socket.disconnect();
    await soon("the log of the connection", () => target.log.some((line) => line.includes("connection closed")));
  });
});
