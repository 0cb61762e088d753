// Recovery in a cluster: on the node where the client was it goes on, on another one it is told that it does not.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, connected, event, modes, request } from "../js/support/client.mjs";
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

test("on another node the client is a new one, and is told so", async (t) => {
  const room = "elsewhere";
  const { socket, heard, id } = await reader(t, "websocket", room);
  const writer = await connect(t, nodes[1], "/lab", "websocket", { user: "writer" });
  await request(writer, "tell", room, "before");
  await request(socket, "leave", "none");
  await lose(socket);
  socket.io.uri = nodes[1].url;
  await connected(socket.connect());
  assert.deepEqual([socket.recovered, socket.id === id, await request(socket, "leave", "none")], [false, false, []]);
  await request(writer, "tell", room, "after");
  await request(socket, "join", room);
  const last = event(socket, "told");
  await request(writer, "tell", room, "last");
  await last;
  assert.deepEqual(heard, ["before", "last"]);
});
