// Events, binary arguments and acknowledgements, in both directions.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, event, gather, modes, open, request } from "./support/client.mjs";
import { isReference, startLab, startTarget } from "./support/target.mjs";
import { mint } from "./support/token.mjs";

const values = [
  [],
  ["text"],
  ["quotes \" and \\ and \n and \u2028 and 🏰"],
  [1, -2.5, true, null],
  [{ deep: { list: [1, [2, [3]]], empty: {} } }],
  [[]],
  [{ _placeholder: false, num: 0 }],
];

const binaries = [
  [Buffer.from([0, 1, 2, 255])],
  [new Uint8Array([9, 8]).buffer],
  [new Uint8Array([7, 6, 5])],
  [Buffer.alloc(0)],
  [{ nested: [{ data: Buffer.from("one") }, Buffer.from("two")], text: "x" }, Buffer.from("three")],
  [Buffer.alloc(300_000, 7)],
];

// plain gives Buffers for every form of binary, so that what was sent can be compared with what came back.
function plain(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return Buffer.from(value);
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  return value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)])) : value;
}

// ask resolves with all arguments of the acknowledgement, where emitWithAck keeps only the first.
const ask = (socket, ...args) => new Promise((resolve) => socket.emit(...args, (...answer) => resolve(answer)));

for (const mode of modes) {
  describe(`echo over ${mode}`, () => {
    let target;
    before(async () => (target = await startTarget()));
    after(() => target?.stop());

    test("arguments come back as they were", async (t) => {
      const socket = await connect(t, target, "/echo", mode);
      for (const args of values) {
        assert.deepEqual(await ask(socket, "echo", ...args), args);
      }
    });

    test("binary comes back byte by byte, wherever it is nested", async (t) => {
      const socket = await connect(t, target, "/echo", mode);
      for (const args of binaries) {
        assert.deepEqual(plain(await ask(socket, "echo", ...args)), plain(args));
      }
    });

    test("ten attachments pass", async (t) => {
      const socket = await connect(t, target, "/echo", mode);
      const parts = Array.from({ length: 10 }, (_, i) => Buffer.from([i]));
      assert.deepEqual(plain(await request(socket, "echo", parts)), parts);
    });

    test("1,000 requests at once are answered each with its own", async (t) => {
      const socket = await connect(t, target, "/echo", mode);
      const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => request(socket, "echo", i)));
      assert.deepEqual(answers, Array.from({ length: 1000 }, (_, i) => i));
    });

    test("text and binary keep their order", async (t) => {
      const socket = await connect(t, target, "/echo", mode);
      const order = [];
      const sent = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? Buffer.from([i]) : i));
      await Promise.all(sent.map((v) => request(socket, "echo", v).then((got) => order.push(Buffer.isBuffer(got) ? got[0] : got))));
      assert.deepEqual(order, Array.from({ length: 60 }, (_, i) => i));
    });

    test("an unknown event that asks for an answer gets none", async (t) => {
      const socket = await connect(t, target, "/echo", mode);
      let answers = 0;
      socket.emit("no:such:event", 1, () => answers++);
      assert.equal(await request(socket, "echo", "still here"), "still here");
      assert.equal(answers, 0);
    });
  });

  describe(`handlers over ${mode}`, () => {
    let target;
    before(async () => (target = await startLab()));
    after(() => target?.stop());

    test("a handler takes several arguments", async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      assert.deepEqual(await ask(socket, "many", 1, "two", { three: 3 }), [{ three: 3 }, "two", 1]);
    });

    test("the connect handler's emits and its request to the client come first", async (t) => {
      const order = [];
      const on = {
        welcome: (user) => order.push(`welcome ${user}`),
        hello: (question, ack) => ack(`${question} ada`),
        greeted: (answer) => order.push(answer),
      };
      const socket = open(target, "/greeter", mode, { auth: { token: mint("ada") } });
      t.after(() => socket.disconnect());
      Object.entries(on).forEach(([name, handler]) => socket.on(name, handler));
      const [answer] = await event(socket, "greeted");
      assert.equal(answer, "who is there? ada");
      assert.deepEqual(order, ["welcome ada", "who is there? ada"]);
    });

    test("an event sent right after CONNECT waits for the connect handler", { skip: isReference && "Node does not wait" }, async (t) => {
      const order = [];
      const on = {
        hello: (question, ack) => {
          order.push("asked");
          ack("me");
        },
        greeted: () => order.push("greeted"),
      };
      const socket = open(target, "/greeter", mode, { auth: { token: mint("ada") } });
      t.after(() => socket.disconnect());
      Object.entries(on).forEach(([name, handler]) => socket.on(name, handler));
      await request(socket, "echo", 1); // buffered until CONNECT is answered, then sent at once
      assert.deepEqual(order, ["asked", "greeted"]);
    });

    test("a handler can wait for an answer of its own client", async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      socket.on("question", (question, ack) => ack(`the answer to ${question}`));
      assert.equal(await request(socket, "ask", "life"), "the answer to life");
    });

    test("events that come while a handler waits are handled after it, in order", { skip: isReference && "Node does not wait" }, async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      const order = [];
      socket.on("question", (question, ack) => {
        order.push(question);
        ack(question);
      });
      const asked = request(socket, "ask", "first").then(() => order.push("first answered"));
      const many = request(socket, "many", 1, 2, 3).then(() => order.push("second answered"));
      await Promise.all([asked, many]);
      assert.deepEqual(order, ["first", "first answered", "second answered"]);
    });

    test("binary fields of a handler's value", async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      const answer = await request(socket, "blob", { name: "b", data: Buffer.from([1, 2, 3]) });
      assert.deepEqual(plain(answer), { name: "b", data: Buffer.from([3, 2, 1]), size: 3 });
    });

    test("the server emits binary by itself", async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      const pushed = event(socket, "pushed");
      socket.emit("push");
      assert.deepEqual(plain(await pushed), [{ first: Buffer.from([1, 2, 3]), list: [Buffer.from([4]), "five"] }]);
    });

    test("a failing handler answers with a code and keeps its cause", { skip: isReference && "a server of Node's ends" }, async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      const answer = await request(socket, "fail");
      assert.equal(answer.ok, false);
      assert.doesNotMatch(JSON.stringify(answer), /cause of the failure/);
    });

    test("a panicking handler hurts nobody", { skip: isReference && "a server of Node's ends" }, async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      const other = await connect(t, target, "/lab", mode, { user: "bob" });
      const answer = await request(socket, "panic");
      assert.equal(answer.ok, false);
      assert.doesNotMatch(JSON.stringify(answer), /out of cheese/);
      assert.deepEqual(await request(socket, "join", "a"), ["a"]);
      assert.deepEqual(await request(other, "join", "b"), ["b"]);
      assert.ok(target.log.some((line) => line.includes("out of cheese")), "the log has the panic");
    });

    test("volatile emits of a client arrive when the way is free", async (t) => {
      const socket = await connect(t, target, "/lab", mode);
      const pushed = gather(socket, "pushed", 1);
      socket.volatile.emit("push");
      assert.equal((await pushed).length, 1);
    });
  });
}
