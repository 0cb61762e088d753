// Who gets in, who does not, and what those who do not are told.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { connect, connected, modes, open, refusal, request } from "./support/client.mjs";
import { binary, isReference, startTarget } from "./support/target.mjs";
import { expired, mint, secret } from "./support/token.mjs";

const run = promisify(execFile);
const none = "eyJhbGciOiJub25lIn0";

const refusals = [
  { name: "no auth", auth: undefined, code: "unauthenticated" },
  { name: "an empty auth", auth: {}, code: "unauthenticated" },
  { name: "a token that is no text", auth: { token: 42 }, code: "token_invalid" },
  { name: "an empty token", auth: { token: "" }, code: "unauthenticated" },
  { name: "words for a token", auth: { token: "let me in" }, code: "token_invalid" },
  { name: "a token signed with another key", auth: { token: mint("eve", {}, { key: "another secret, as long as the right one" }) }, code: "token_invalid" },
  { name: "an unsigned token", auth: { token: `${none}.${mint("eve").split(".")[1]}.` }, code: "token_invalid" },
  { name: "another algorithm in the token's header", auth: { token: mint("eve", {}, { header: { alg: "HS512" } }) }, code: "token_invalid" },
  { name: "a token with a tail", auth: { token: `${mint("eve")}.more` }, code: "token_invalid" },
  { name: "a token of 50,000 letters", auth: { token: "a".repeat(50_000) }, code: "token_invalid" },
  { name: "an expired token", auth: { token: expired("ada") }, code: "token_expired" },
];

describe("the client's bundles", () => {
  let target;
  before(async () => (target = await startTarget()));
  after(() => target?.stop());

  for (const bundle of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"]) {
    test(`${bundle} is the same text in each coding`, async () => {
      const texts = await Promise.all(["identity", "gzip", "br"].map(async (coding) => {
        const answer = await fetch(`${target.url}/socket.io/${bundle}`, { headers: { "accept-encoding": coding } });
        assert.equal(answer.headers.get("content-encoding") ?? "identity", coding);
        return answer.text();
      }));
      assert.ok(texts[0].length > 10_000);
      assert.deepEqual(texts, texts.map(() => texts[0]));
    });
  }
});

describe("connecting", () => {
  let target;
  before(async () => (target = await startTarget()));
  after(() => target?.stop());

  for (const mode of modes) {
    test(`a valid token enters over ${mode}`, async (t) => {
      const socket = await connect(t, target, "/chat", mode);
      assert.equal(socket.io.engine.transport.name, mode === "polling" ? "polling" : "websocket");
      assert.match(socket.id, /^[\w-]{16,}$/);
      assert.notEqual(socket.id, socket.io.engine.id, "the session id is a secret, the socket id is public");
    });

    for (const { name, auth, code } of refusals) {
      test(`${name} is refused with ${code} over ${mode}`, async (t) => {
        const err = await refusal(t, target, "/chat", mode, { auth });
        assert.deepEqual(err.data, { code });
        assert.ok(err.message.length > 0 && err.message !== code, "the message is for people");
      });
    }

    test(`an unknown namespace is refused as Node does over ${mode}`, async (t) => {
      const err = await refusal(t, target, "/nowhere", mode, { auth: { token: mint("ada") } });
      assert.equal(err.message, "Invalid namespace");
      assert.equal(err.data, undefined);
    });

    // What a page does whose component is mounted twice: the client sends a second CONNECT before it has seen the reply.
    test(`who disconnects and connects again at once stays connected over ${mode}`, { skip: isReference }, async (t) => {
      const echo = await connect(t, target, "/echo", mode);
      const left = [];
      echo.on("disconnect", (reason) => left.push(reason));
      const auths = [{ token: mint("eve") }, { token: mint("ada") }];
      const chat = echo.io.socket("/chat", { auth: (give) => give(auths.shift() ?? { token: mint("ada") }) });
      t.after(() => chat.disconnect());
      chat.disconnect();
      chat.connect();
      if (!chat.connected) await connected(chat);
      const joined = await request(chat, "room:join", { room: "twice" });
      assert.deepEqual(joined.members.map((m) => m.user), ["ada"]);
      assert.deepEqual(await echo.emitWithAck("echo", "still"), "still");
      assert.deepEqual(left, []);
    });

    test(`auth as a function is asked anew for every try over ${mode}`, async (t) => {
      const tokens = [expired("ada"), mint("ada")];
      const socket = open(target, "/chat", mode, { auth: (give) => give({ token: tokens.shift() }) });
      t.after(() => socket.disconnect());
      await assert.rejects(connected(socket));
      await connected(socket.connect());
      assert.equal(tokens.length, 0);
    });
  }

  test("a client that was refused stays away until it is told to connect", async (t) => {
    const err = await refusal(t, target, "/chat", "websocket", { auth: { token: "x" }, reconnection: true });
    assert.equal(err.data.code, "token_invalid");
  });

  test("the demo login's token enters", async (t) => {
    const response = await fetch(`${target.url}/demo/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "Grace" }),
    });
    assert.equal(response.status, 200);
    const { token } = await response.json();
    const socket = await connect(t, target, "/chat", "websocket", { auth: { token } });
    const { members } = await request(socket, "room:join", { room: "login" });
    assert.deepEqual(members.map((m) => m.name), ["Grace"]);
  });

  test("the token command's token enters, and is all that it prints", { skip: isReference && "the reference has no commands" }, async (t) => {
    const state = await mkdtemp(join(tmpdir(), "gatehouse-test-"));
    t.after(() => rm(state, { recursive: true }));
    const env = { ...process.env, XDG_STATE_HOME: state, GATEHOUSE_JWT_HMAC_SECRET: secret };
    const { stdout } = await run(binary, ["token", "--dev", "--sub", "joan"], { env });
    assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const socket = await connect(t, target, "/chat", "websocket", { auth: { token: stdout.trim() } });
    const { members } = await request(socket, "room:join", { room: "command" });
    assert.deepEqual(members.map((m) => m.user), ["joan"]);
  });
});
