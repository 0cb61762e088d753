// Recovery in a cluster: on whichever node the client comes back to, also when the one where it was has been killed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, connected, event, modes, request } from "../js/support/client.mjs";
import { mint } from "../js/support/token.mjs";
import { startAnother } from "./support/fleet.mjs";

const env = { GATEHOUSE_RECOVERY_FOR: "1m" };
const nodes = [];
before(async () => {
  nodes.push(await startAnother(nodes, env));
  nodes.push(await startAnother(nodes, env));
});
after(() => Promise.all(nodes.map((node) => node.stop())));

// reader is a member of a room, and what it is told.
async function reader(t, mode, room) {
  const heard = [];
  const note = (data) => heard.push(data);
  const socket = await connect(t, nodes[0], "/lab", mode, { on: { told: note, pushed: () => note("pushed") } });
  await request(socket, "join", room);
  return { socket, heard, id: socket.id };
}

async function lose(socket) {
  const gone = event(socket, "disconnect");
  socket.io.engine.close();
  await gone;
}

for (const mode of modes) {
  test(`what another node sends meanwhile comes once and in order over ${mode}`, async (t) => {
    const room = `meanwhile-${mode}`;
    const { socket, heard, id } = await reader(t, mode, room);
    const writer = await connect(t, nodes[1], "/lab", "websocket", { user: "writer" });
    const want = [];
    for (let round = 0; round < 3; round++) {
      socket.emit("push"); // to itself, behind what the room gets
      want.push("pushed");
      await request(socket, "leave", "none");
      await lose(socket);
      for (let i = 0; i < 3; i++) {
        want.push(want.length);
        await request(writer, "tell", room, want.length - 1);
      }
      await connected(socket.connect());
      assert.deepEqual([socket.recovered, socket.id], [true, id]);
    }
    const last = event(socket, "told", { where: (data) => data === "last" });
    await request(writer, "tell", room, "last");
    await last;
    assert.deepEqual(heard, [...want, "last"]);
  });
}

test("on another node the client goes on, as often as it moves", async (t) => {
  const room = "elsewhere";
  const { socket, heard, id } = await reader(t, "websocket", room);
  const writer = await connect(t, nodes[1], "/lab", "websocket", { user: "writer" });
  const want = [];
  for (let round = 0; round < 6; round++) {
    await lose(socket);
    want.push(round);
    await request(writer, "tell", room, round);
    socket.io.uri = nodes[(round + 1) % 2].url;
    await connected(socket.connect());
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
    assert.deepEqual(await request(socket, "leave", "none"), [room]);
  }
  await request(writer, "tell", room, "last");
  await request(socket, "leave", "none");
  await request(writer, "leave", "none");
  assert.deepEqual(heard, [...want, "last"]);
});

for (const mode of modes) {
  test(`a client of a node that is killed goes on at another one over ${mode}`, async (t) => {
    const room = `killed ${mode}`;
    const doomed = await startAnother(nodes, env);
    t.after(() => doomed.stop());
    const heard = [];
    const socket = await connect(t, doomed, "/lab", mode, { on: { told: (data) => heard.push(data) }, reconnection: true, reconnectionDelay: 20 });
    const { id } = socket;
    await request(socket, "join", room);
    const writer = await connect(t, nodes[1], "/lab", "websocket", { user: "writer" });
    await request(writer, "tell", room, 0);
    await request(socket, "leave", "none");
    const gone = event(socket, "disconnect");
    doomed.signal("SIGKILL");
    await request(writer, "tell", room, 1);
    await gone;
    await request(writer, "tell", room, 2);
    socket.io.uri = nodes[0].url;
    if (!socket.connected) await event(socket, "connect");
    await request(writer, "tell", room, 3);
    assert.deepEqual(await request(socket, "leave", "none"), [room]);
    if (heard.length < 4) await event(socket, "told", { where: (data) => data === 3 });
    assert.deepEqual([socket.recovered, socket.id, heard], [true, id, [0, 1, 2, 3]]);
  });
}

test("who has left, or was sent away, is a new one everywhere", async (t) => {
  const { socket, id } = await reader(t, "websocket", "left");
  const left = event(socket, "disconnect");
  socket.disconnect();
  await left;
  socket.io.uri = nodes[1].url;
  await connected(socket.connect());
  assert.deepEqual([socket.recovered, socket.id === id], [false, false]);
});

test("another user with the private id is a new one", async (t) => {
  const { socket, id } = await reader(t, "websocket", "stolen");
  await lose(socket);
  socket.io.uri = nodes[1].url;
  socket.auth = { token: mint("eve") };
  await connected(socket.connect());
  assert.deepEqual([socket.recovered, socket.id === id], [false, false]);
});
