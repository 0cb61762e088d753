// A rolling restart, as a page with a default client lives through it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { connect, connected, event, modes, patience, request } from "./support/client.mjs";
import { isReference, startTarget } from "./support/target.mjs";
import { mint } from "./support/token.mjs";
import { admitted, Frames, get, poll } from "./support/wire.mjs";

const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

// These are about Gatehouse's own way of ending: Node's server has none for SIGTERM.
describe("a restart", { skip: isReference && "Node's server has no drain" }, () => {
  for (const mode of modes) {
    test(`a default client comes back by itself over ${mode}`, async (t) => {
      let target = await startTarget();
      t.after(() => target?.stop());
      const socket = io(`${target.url}/chat`, { transports: transports[mode], forceNew: true, auth: { token: mint("ada") }, reconnectionDelay: 50 });
      t.after(() => socket.disconnect());
      await connected(socket);
      assert.equal((await request(socket, "room:join", { room: "r" })).ok, true);

      const ended = event(socket, "disconnect");
      const exit = await target.terminate();
      assert.deepEqual(exit, { code: 0, signal: null });
      const [reason] = await ended;
      assert.ok(["transport close", "transport error"].includes(reason), reason);
      assert.equal(socket.active, true, "the client means to come back");

      const back = event(socket, "connect");
      target = await startTarget({ addr: target.addr });
      await back;
      assert.equal((await request(socket, "room:join", { room: "r" })).ok, true);
    });

    test(`what a page could not deliver it sends again, once and in order, over ${mode}`, async (t) => {
      let target = await startTarget();
      t.after(() => target?.stop());
      const page = new Page(target.url, transports[mode]);
      t.after(() => page.socket.disconnect());
      await connected(page.socket);
      await page.joined;
      await Promise.all(["1", "2", "3"].map((text) => page.say(text)));

      const exited = target.terminate();
      const later = ["4", "5", "6"].map((text) => page.say(text));
      await exited;
      later.push(page.say("7"));
      target = await startTarget({ addr: target.addr });
      await Promise.all(later);

      const reader = await connect(t, target, "/chat", "websocket", { user: "reader" });
      const { history } = await request(reader, "room:join", { room: "page" });
      const texts = history.map((m) => m.text);
      assert.deepEqual(texts, [...new Set(texts)], "nothing comes twice");
      assert.deepEqual(texts.slice(-1), ["7"]);
      assert.deepEqual([...texts].sort(), texts, "the order is the page's");
    });
  }

  test("a draining server refuses handshakes with 503 and is not ready", async (t) => {
    const target = await startTarget({ env: { GATEHOUSE_DRAIN_SPREAD: "10s", GATEHOUSE_DRAIN_TIMEOUT: "20s" } });
    t.after(() => target?.stop());
    const members = await Promise.all(Array.from({ length: 20 }, () => admitted(target, "/chat", mint("ada"))));
    const ready = await fetch(`${target.url}/readyz`);
    assert.equal(ready.status, 200);

    target.signal("SIGTERM");
    await Promise.race(members.map((m) => m.closed));
    const refused = await get(target, { transport: "polling" });
    assert.equal(refused.status, 503);
    await assert.rejects(Frames.open(target), /503/);
    assert.equal((await fetch(`${target.url}/readyz`)).status, 503);
    assert.equal((await fetch(`${target.url}/healthz`)).status, 200);
    members.forEach((m) => m.end());
    assert.deepEqual(await target.exited, { code: 0, signal: null });
  });

  test("a drain closes WebSockets with a code and without DISCONNECT", async (t) => {
    const target = await startTarget();
    t.after(() => target?.stop());
    const frames = await admitted(target, "/chat", mint("ada"));
    const exited = target.terminate();
    const last = [];
    for (let m = await frames.next(); m !== undefined; m = await frames.next()) {
      last.push(m);
    }
    assert.deepEqual(last.filter((m) => String(m).startsWith("41")), []);
    const { code, reason } = await frames.closed;
    assert.ok([1001, 1012].includes(code), `close code ${code}`);
    assert.ok(reason.length > 0);
    await exited;
  });

  test("a drain answers a waiting poll with CLOSE", async (t) => {
    const target = await startTarget();
    t.after(() => target?.stop());
    const { sid } = await poll(target);
    const waiting = get(target, { transport: "polling", sid });
    const exited = target.terminate();
    assert.equal((await waiting).text, "1");
    await exited;
  });
});

// Page does what a chat page does: it numbers its messages, sends one after another, and after a reconnect sends those
// without an acknowledgement again.
class Page {
  constructor(url, transports) {
    this.socket = io(`${url}/chat`, { transports, forceNew: true, auth: { token: mint("page") }, reconnectionDelay: 50, reconnectionDelayMax: 500 });
    this.waiting = [];
    this.count = 0;
    this.joined = new Promise((resolve) => {
      this.socket.on("connect", async () => {
        await request(this.socket, "room:join", { room: "page" }).catch(() => {});
        resolve();
        this.#flush();
      });
    });
  }

  say(text) {
    return new Promise((resolve) => {
      this.waiting.push({ message: { room: "page", text, nonce: `n${++this.count}` }, resolve });
      this.#flush();
    });
  }

  async #flush() {
    if (this.busy || !this.socket.connected || this.waiting.length === 0) {
      return;
    }
    this.busy = true;
    const [{ message, resolve }] = this.waiting;
    const answer = await this.#send(message);
    this.busy = false;
    if (answer?.ok) {
      this.waiting.shift();
      resolve(answer);
    }
    this.#flush();
  }

  // #send gives nothing when the connection ended first.
  #send(message) {
    return new Promise((resolve) => {
      this.socket.once("disconnect", resolve.bind(null, undefined));
      this.socket.timeout(patience).emit("message:send", message, (err, answer) => resolve(err ? undefined : answer));
    });
  }
}
