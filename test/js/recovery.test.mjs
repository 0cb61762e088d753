// Connection state recovery with the unmodified client, over connections that break.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import parser from "socket.io-msgpack-parser";
import { connect, event, modes, request } from "./support/client.mjs";
import { Proxy } from "./support/proxy.mjs";
import { isCluster, isReference, startGatehouse, startLab } from "./support/target.mjs";
import { mint } from "./support/token.mjs";

const ping = { interval: 1000, timeout: 1000 };
const env = { GATEHOUSE_RECOVERY_FOR: "1m" };
const parsers = { json: {}, msgpack: { parser } };
const coming = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 100 };

describe("recovery", { skip: isReference && "the differential test has it" }, () => {
  for (const mode of modes) {
    for (const [name, options] of Object.entries(parsers)) {
      describe(`over ${mode}, ${name}`, () => breaks(mode, { ...options, ...coming }));
    }
  }
  describe("of who signs in anew", comebacks);
  describe("in the chat", chat);
  describe("in a namespace of the configuration", configured);
});

function breaks(mode, options) {
  let target, proxy, writer;
  before(async () => {
    target = await startLab({ env, ping });
    proxy = await Proxy.before(target);
  });
  after(async () => {
    writer?.disconnect();
    await proxy?.stop();
    await target?.stop();
  });
  const tell = (room, data) => request(writer, "tell", room, data);

  async function reader(t, room) {
    writer ??= await connect({ after: () => {} }, target, "/lab", "websocket", { user: "bob" });
    const heard = [];
    const socket = await connect(t, proxy, "/lab", mode, { ...options, on: { told: (data) => heard.push(data) } });
    await request(socket, "join", room);
    return { socket, heard, id: socket.id };
  }

  // lose breaks the connection and resolves when the client is back.
  async function lose(socket, how, meanwhile = () => {}) {
    const back = event(socket, "connect");
    await Promise.all([proxy.break(how, event(socket, "disconnect")), meanwhile()]);
    await back;
  }

  for (const how of ["cut", "silence"]) {
    test(`what was sent while the connection was ${how} comes in order`, async (t) => {
      const room = `${mode} ${how}`;
      const { socket, heard, id } = await reader(t, room);
      await tell(room, 0);
      await lose(socket, how, async () => {
        await tell(room, 1);
        await tell(room, { bytes: Buffer.from([1, 2]) });
      });
      await tell(room, 3);
      assert.deepEqual(await request(socket, "leave", "none"), [room]);
      assert.deepEqual([socket.recovered, socket.id], [true, id]);
      assert.deepEqual(heard, [0, 1, { bytes: Buffer.from([1, 2]) }, 3]);
    });
  }

  test("a connection that breaks ten times loses and repeats nothing", async (t) => {
    const room = `${mode} many`;
    const { socket, heard, id } = await reader(t, room);
    const want = [];
    const send = async () => {
      want.push(want.length);
      await tell(room, want.length - 1);
    };
    for (let round = 0; round < 10; round++) {
      await send();
      await lose(socket, "cut", send);
      assert.equal(socket.recovered, true);
      proxy.links.forEach((link) => (link.late = round % 3));
    }
    await send();
    await request(socket, "leave", "none");
    assert.equal(socket.id, id);
    assert.deepEqual(heard, want);
  });

  if (mode === "upgrade") {
    test("an upgrade that is under way when the connection breaks loses nothing", async (t) => {
      const room = "upgrading";
      const { socket, heard, id } = await reader(t, room);
      const want = [];
      for (let round = 0; round < 5; round++) {
        await lose(socket, "cut");
        await new Promise((soon) => setTimeout(soon, round * 3)); // somewhere in the probe
        want.push(round);
        await tell(room, round);
      }
      await request(socket, "leave", "none");
      assert.deepEqual([socket.recovered, socket.id, heard], [true, id, want]);
    });
  }

  test("what the server asks is asked once", async (t) => {
    const { socket } = await reader(t, `${mode} asked`);
    let asked = 0;
    socket.on("question", () => asked++); // is not answered
    socket.emit("ask", "why");
    await event(socket, "question");
    await lose(socket, "cut");
    await request(socket, "leave", "none");
    assert.deepEqual([socket.recovered, asked], [true, 1]);
  });
}

function comebacks() {
  let target, proxy;
  before(async () => {
    target = await startLab({ env });
    proxy = await Proxy.before(target);
  });
  after(async () => {
    await proxy?.stop();
    await target?.stop();
  });

  const cases = {
    "the same user with a new token goes on": [() => ({ token: mint("ada") }), true],
    "another user does not": [() => ({ token: mint("eve") }), false],
  };
  for (const [name, [auth, recovered]] of Object.entries(cases)) {
    test(name, async (t) => {
      const socket = await connect(t, proxy, "/lab", "websocket", coming);
      const id = socket.id;
      socket.auth = auth();
      const back = event(socket, "connect");
      proxy.cut();
      await back;
      assert.deepEqual([socket.recovered, socket.id === id], [recovered, recovered]);
    });
  }

  test("who may not enter any more does not, and may later", async (t) => {
    const socket = await connect(t, proxy, "/lab", "websocket", coming);
    const id = socket.id;
    socket.auth = {};
    const refused = event(socket, "connect_error");
    proxy.cut();
    assert.equal((await refused)[0].data.code, "unauthenticated");
    socket.auth = { token: mint("ada") };
    const back = event(socket, "connect");
    socket.connect();
    await back;
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
  });

  test("a restart is honest", { skip: isCluster && "of three nodes others are there" }, async (t) => {
    let server = await startLab({ env });
    t.after(() => server.stop());
    const socket = await connect(t, server, "/lab", "websocket", coming);
    const id = socket.id;
    const back = event(socket, "connect");
    await server.stop();
    server = await startLab({ env, addr: server.addr });
    await back;
    assert.deepEqual([socket.recovered, socket.id === id], [false, false]);
  });
}

const rules = `
namespaces:
  /app:
    rooms:
      - {match: "doc:{id}", join: "true", send: "true", events: [edit], presence: true, history: {messages: 10}}
`;

// The server is in rooms for the client there: it goes on in them, and receivers get (data, meta) with the offset behind.
function configured() {
  test("a member goes on, and nobody is told of a break", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "gatehouse-recovery-"));
    await writeFile(join(dir, "app.yaml"), rules);
    const target = await startGatehouse({ env, args: ["--config", join(dir, "app.yaml")] });
    const proxy = await Proxy.before(target);
    t.after(async () => {
      await proxy.stop();
      await target.stop();
      await rm(dir, { recursive: true });
    });
    const room = "doc:1";
    const told = [];
    const bob = await connect(t, target, "/app", "websocket", { user: "bob" });
    bob.onAny((name) => told.push(name));
    await request(bob, "room:join", { room });
    const edits = [];
    const ada = await connect(t, proxy, "/app", "websocket", { ...coming, on: { edit: (...args) => edits.push(args) } });
    await request(ada, "room:join", { room });

    const back = event(ada, "connect");
    proxy.cut();
    await request(bob, "room:send", { room, event: "edit", data: { v: 1 } });
    await back;
    await request(ada, "room:send", { room, event: "edit", data: { v: 2 } });
    let count;
    do { // another node tells the others a moment later that it has her now
      ({ count } = await request(ada, "presence:get", { room }));
    } while (isCluster && count < 2);
    assert.deepEqual([ada.recovered, count], [true, 2]);
    assert.deepEqual(edits.map(([data, { from }, offset]) => [data.v, from, typeof offset]), [[1, "bob", "string"], [2, "ada", "string"]]);
    assert.deepEqual(told, ["presence:joined", "edit", "edit"]);

    const left = event(bob, "presence:left");
    ada.disconnect();
    await left;
    assert.equal((await request(bob, "presence:get", { room })).count, 1);
  });
}

// Members who are away for a moment have not left, and read the history once.
function chat() {
  test("nobody is told of a break, and nothing comes twice", async (t) => {
    const target = await startGatehouse({ env });
    const proxy = await Proxy.before(target);
    t.after(async () => {
      await proxy.stop();
      await target.stop();
    });
    const heard = [];
    const bob = await connect(t, target, "/chat", "websocket", { user: "bob" });
    bob.onAny((name) => heard.push(name));
    await request(bob, "room:join", { room: "r" });
    const texts = [];
    const ada = await connect(t, proxy, "/chat", "websocket", { ...coming, on: { message: ({ text }) => texts.push(text) } });
    await request(ada, "room:join", { room: "r" });

    const back = event(ada, "connect");
    proxy.cut();
    await request(bob, "message:send", { room: "r", text: "one" });
    await back;
    const { history, count } = await request(ada, "room:join", { room: "r" });
    await request(ada, "message:send", { room: "r", text: "two" });
    await request(bob, "message:send", { room: "r", text: "three" });
    await request(ada, "info", {});
    assert.deepEqual([ada.recovered, history, count, texts], [true, [], 2, ["one", "two", "three"]]);
    assert.deepEqual(heard, ["member:joined", "message", "message", "message"]);
  });
}
