// An application of that library on our engine does what its users expect, over every transport.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { build, mint, shared } from "./support/app.mjs";
import { ask, connect, event, gather, modes, open, upTo } from "./support/client.mjs";

const app = await shared(build("./examples/zishang520/evidence"), ["--serve", "gatehouse"]);

for (const mode of modes) {
  describe(`over ${mode}`, () => {
    test("the transport is the one that the client uses", async (t) => {
      const socket = await connect(t, app, mode);
      const [name] = await ask(socket, "transport");
      assert.equal(name, mode === "polling" ? "polling" : "websocket");
    });

    test("acknowledgements go both ways", async (t) => {
      const socket = await connect(t, app, mode);
      assert.deepEqual(await ask(socket, "echo", 1, "two", { three: [null, true] }), [1, "two", { three: [null, true] }]);
      socket.on("question", (word, answer) => answer(`${word}!`));
      assert.deepEqual(await ask(socket, "ask", "really"), ["really!"]);
    });

    test("a listener may wait for its own client", async (t) => {
      const socket = await connect(t, app, mode);
      socket.on("question", (n, answer) => answer(n));
      const answers = await Promise.all(upTo(20).map((n) => ask(socket, "ask:wait", n)));
      assert.deepEqual(answers.flat(), upTo(20));
    });

    test("a broadcast collects acknowledgements", async (t) => {
      // One after the other: of two first clients of a dynamic namespace the library makes two namespaces.
      const room = [];
      for (const _ of upTo(3)) {
        room.push(await connect(t, app, mode, "/made-1"));
      }
      room.forEach((socket, i) => socket.on("question", (_, answer) => answer(i)));
      const [answers] = await ask(room[0], "ask:all", "who");
      assert.deepEqual(answers.sort(), [0, 1, 2]);
    });

    test("binary arrives as it was sent", async (t) => {
      const socket = await connect(t, app, mode);
      const [plain, nested] = await ask(socket, "echo", Buffer.from([0, 1, 255]), { in: [Buffer.from("x")] });
      assert.deepEqual([...plain], [0, 1, 255]);
      assert.deepEqual(nested.in[0].toString(), "x");
      const blob = new Promise((resolve) => socket.once("blob", (...args) => resolve(args)));
      socket.emit("blob");
      const [word, bytes, object] = await blob;
      assert.equal(word, "both");
      assert.deepEqual([...bytes, ...object.in], [1, 2, 3]);
    });

    test("rooms reach their members, and not who has left", async (t) => {
      const [a, b, c] = await Promise.all(upTo(3).map(() => connect(t, app, mode)));
      for (const socket of [a, b, c]) {
        await ask(socket, "join", `room ${mode}`);
      }
      await ask(c, "part", `room ${mode}`);
      c.on("told", () => assert.fail("not a member"));
      const told = event(b, "told");
      await ask(a, "tell", `room ${mode}`, "hello");
      assert.equal(await told, "hello");
      await ask(c, "echo");
    });

    test("events are handled one after the other, in order", async (t) => {
      const socket = await connect(t, app, mode);
      const worked = gather(socket, "worked", 200);
      upTo(200).forEach((n) => socket.emit("work", n));
      assert.deepEqual(await worked, upTo(200));
      assert.deepEqual(await ask(socket, "together"), [0]);
    });

    test("an early event waits for its connection listener", async (t) => {
      const socket = open(t, app, mode, "/late");
      assert.deepEqual(await ask(socket, "echo", "early"), ["early"]);
    });

    test("a middleware passes, delays, refuses and drops events", async (t) => {
      const socket = await connect(t, app, mode, "/guarded");
      const failed = event(socket, "failed");
      const heard = gather(socket, "heard", 4);
      ["passed", "dropped", "later", "refused", "dropped", "later", "passed"].forEach((name) => socket.emit(name));
      assert.deepEqual(await heard, ["passed", "later", "later", "passed"]);
      assert.equal(await failed, "refused by the middleware");
    });

    test("a refusal has a code", async (t) => {
      const socket = open(t, app, mode, "/private");
      const err = await event(socket, "connect_error", "connect");
      assert.equal(err.data.code, "unauthenticated");
      assert.ok(err.message.length > 10, err.message);
    });

    test("who is let in has an identity", async (t) => {
      const socket = await connect(t, app, mode, "/private", { auth: { token: mint("ada") } });
      assert.deepEqual(await ask(socket, "whoami"), ["ada"]);
    });

    test("an unknown namespace is refused as Node does", async (t) => {
      const err = await event(open(t, app, mode, "/nowhere"), "connect_error", "connect");
      assert.equal(err.message, "Invalid namespace");
      assert.equal(err.data, undefined);
    });

    test("the server disconnects a socket, or the connection", async (t) => {
      const left = await connect(t, app, mode);
      const leaving = event(left, "disconnect");
      left.emit("leave");
      left.emit("echo"); // crosses the DISCONNECT: no fault of the client
      assert.equal(await leaving, "io server disconnect");
      left.connect();
      await event(left, "connect", "connect_error");
      const kicked = event(left, "disconnect");
      left.emit("kick");
      assert.equal(await kicked, "io server disconnect");
    });
  });
}

test("namespaces of one connection do not wait for each other", async (t) => {
  const first = await connect(t, app, "websocket");
  const second = first.io.socket("/late"); // connects at once
  t.after(() => second.disconnect());
  const order = [];
  const late = ask(second, "echo").then(() => order.push("late"));
  await ask(first, "echo").then(() => order.push("/"));
  await late;
  assert.deepEqual(order, ["/", "late"]);
});
