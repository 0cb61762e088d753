// Every way in that the real client has: the first message, headers, the query.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { event, modes, open, refusal } from "../js/support/client.mjs";
import { expired, mint } from "../js/support/token.mjs";
import { enter, nameOf } from "./support/client.mjs";
import { call, mintTicket, page, password, startServer } from "./support/server.mjs";

const basic = (user, secret) => `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;

describe("ways in", () => {
  let target;
  before(async () => (target = await startServer()));
  after(() => target.stop());

  for (const mode of modes) {
    test(`auth.token as an object over ${mode}`, async (t) => {
      assert.equal(await nameOf(await enter(t, target, mode, { auth: { token: mint("ada") } })), "ada");
    });

    test(`auth.token as a function over ${mode}`, async (t) => {
      assert.equal(await nameOf(await enter(t, target, mode, { auth: (give) => give({ token: mint("ada") }) })), "ada");
    });

    test(`auth.ticket over ${mode}`, async (t) => {
      const ticket = await mintTicket(target, mint("ada"));
      assert.equal(await nameOf(await enter(t, target, mode, { auth: { ticket } })), "ada");
      const err = await refusal(t, target, "/chat", mode, { auth: { ticket } });
      assert.equal(err.data.code, "ticket_invalid");
    });

    test(`?ticket= over ${mode}, in two namespaces`, async (t) => {
      const ticket = await mintTicket(target, mint("ada"));
      const socket = await enter(t, target, mode, { query: { ticket } });
      assert.equal(await nameOf(socket), "ada");
      const second = socket.io.socket("/echo");
      t.after(() => second.disconnect());
      await event(second, "connect", { failure: "connect_error" });
      const err = await refusal(t, target, "/chat", mode, { query: { ticket } });
      assert.equal(err.data.code, "ticket_invalid");
    });

    test(`a ticket function brings two namespaces back after a lost connection over ${mode}`, async (t) => {
      const auth = (give) => mintTicket(target, mint("ada")).then((ticket) => give({ ticket }));
      const socket = await enter(t, target, mode, { auth, reconnection: true, reconnectionDelay: 10 });
      const second = socket.io.socket("/echo", { auth });
      t.after(() => second.disconnect());
      await event(second, "connect", { failure: "connect_error" });
      const back = Promise.all([event(socket, "connect", { failure: "connect_error" }), event(second, "connect", { failure: "connect_error" })]);
      socket.io.engine.close();
      await back;
      assert.equal(await nameOf(socket), "ada");
    });

    test(`Authorization: Bearer in extraHeaders over ${mode}`, async (t) => {
      const extraHeaders = { Authorization: `Bearer ${mint("ada")}` };
      assert.equal(await nameOf(await enter(t, target, mode, { extraHeaders })), "ada");
      const err = await refusal(t, target, "/chat", mode, { extraHeaders: { Authorization: `Bearer ${expired("ada")}` } });
      assert.equal(err.data.code, "token_expired");
    });

    test(`Basic over ${mode} behind a proxy that has TLS`, async (t) => {
      const extraHeaders = { Authorization: basic("ada", password), "X-Forwarded-Proto": "https" };
      assert.equal(await nameOf(await enter(t, target, mode, { extraHeaders })), "ada");
      for (const headers of [{ ...extraHeaders, Authorization: basic("ada", "guess") }, { Authorization: basic("ada", password) }]) {
        const err = await refusal(t, target, "/chat", mode, { extraHeaders: headers });
        assert.equal(err.data.code, "unauthenticated");
      }
    });

    test(`session cookie with Origin and CSRF token over ${mode}`, async (t) => {
      const headers = { Cookie: `__Host-session=${mint("ada")}`, Origin: page };
      const { answer } = await call(target, "/auth/csrf", { headers });
      assert.equal(await nameOf(await enter(t, target, mode, { extraHeaders: headers, auth: { csrf: answer.csrf } })), "ada");
      for (const [extraHeaders, auth] of [
        [headers, {}],
        [headers, { csrf: "made up" }],
        [{ Cookie: headers.Cookie }, { csrf: answer.csrf }],
      ]) {
        const err = await refusal(t, target, "/chat", mode, { extraHeaders, auth });
        assert.match(err.data.code, /forbidden/);
      }
    });

    test(`a foreign page gets no connection over ${mode}`, async (t) => {
      const err = await refusal(t, target, "/chat", mode, { extraHeaders: { Origin: "https://evil.example" }, auth: { token: mint("ada") } });
      assert.equal(err.data, undefined, "it is refused with HTTP, before a session exists");
    });

    test(`?token= where it is switched on over ${mode}`, async (t) => {
      assert.equal(await nameOf(await enter(t, target, mode, { query: { token: mint("ada") } })), "ada");
    });

    test(`nobody, where a namespace says so, over ${mode}`, async (t) => {
      const socket = await enter(t, target, mode, {}, "/echo");
      assert.deepEqual(await socket.emitWithAck("echo", 1), 1);
      const err = await refusal(t, target, "/chat", mode, {});
      assert.equal(err.data.code, "unauthenticated");
    });

    test(`a token that is there decides, whatever else came, over ${mode}`, async (t) => {
      const extraHeaders = { Authorization: `Bearer ${mint("ada")}` };
      const err = await refusal(t, target, "/chat", mode, { extraHeaders, auth: { token: "no token" } });
      assert.equal(err.data.code, "token_invalid");
    });
  }

  test("a page asks for its ticket with its cookie", async (t) => {
    const headers = { Cookie: `__Host-session=${mint("ada")}`, Origin: page };
    const { answer: { csrf } } = await call(target, "/auth/csrf", { headers });
    const refused = await call(target, "/auth/tickets", { headers, body: {} });
    assert.equal(refused.status, 403);
    const { status, headers: answered, answer } = await call(target, "/auth/tickets", { headers: { ...headers, "X-CSRF-Token": csrf }, body: {} });
    assert.equal(status, 200);
    assert.equal(answered.get("cache-control"), "no-store");
    assert.ok(answer.expiresAt > Date.now() && answer.expiresAt <= Date.now() + 31_000);
    const socket = await enter(t, target, "websocket", { auth: { ticket: answer.ticket }, extraHeaders: { Origin: page } });
    assert.equal(await nameOf(socket), "ada");
  });

  test("nothing that came in is in the log", async (t) => {
    const token = mint("ada");
    const ticket = await mintTicket(target, token);
    const socket = open(target, "/chat", "upgrade", { query: { ticket, token }, extraHeaders: { Authorization: `Bearer ${token}` }, auth: { token } });
    t.after(() => socket.disconnect());
    await event(socket, "connect", { failure: "connect_error" });
    const id = socket.io.engine.id;
    const log = target.log.join("\n");
    for (const secret of [token, ticket, id, password]) {
      assert.ok(!log.includes(secret));
    }
  });
});
