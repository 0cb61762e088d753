// How connections end, and what each side is told.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, event, modes, request } from "./support/client.mjs";
import { isReference, startLab } from "./support/target.mjs";
import { mint } from "./support/token.mjs";
import { admitted } from "./support/wire.mjs";

for (const mode of modes) {
  describe(`endings over ${mode}`, () => {
    let target;
    before(async () => (target = await startLab()));
    after(() => target?.stop());

    const enter = (t, user, options = {}) => connect(t, target, "/lab", mode, { user, ...options });

    // watch gives a socket that is told of everybody's end.
    async function watch(t) {
      const watcher = await connect(t, target, "/lab", "websocket", { user: "watcher" });
      await request(watcher, "join", "watchers");
      return watcher;
    }

    const endOf = async (watcher, user) => (await event(watcher, "gone", { where: (gone) => gone.user === user }))[0];

    test("the client disconnects", async (t) => {
      const gone = endOf(await watch(t), "leaver");
      const socket = await enter(t, "leaver");
      await request(socket, "join", "a");
      await request(socket, "join", "b");
      const ended = event(socket, "disconnect");
      socket.disconnect();
      assert.equal((await ended)[0], "io client disconnect");
      assert.deepEqual(await gone, { user: "leaver", reason: "client namespace disconnect", rooms: ["a", "b"] });
    });

    test("the server disconnects", async (t) => {
      const gone = endOf(await watch(t), "kicked");
      const socket = await enter(t, "kicked", { reconnection: true });
      const ended = event(socket, "disconnect");
      socket.emit("kick");
      assert.equal((await ended)[0], "io server disconnect");
      assert.equal(socket.active, false, "the client stays away");
      assert.equal((await gone).reason, "server namespace disconnect");
    });

    test("the server disconnects the whole connection", async (t) => {
      const gone = endOf(await watch(t), "cut");
      const socket = await enter(t, "cut", { reconnection: true });
      const ended = event(socket, "disconnect");
      socket.emit("kick:transport");
      assert.equal((await ended)[0], "io server disconnect");
      assert.equal((await gone).reason, "server namespace disconnect");
    });

    test("the client closes its transport", async (t) => {
      const gone = endOf(await watch(t), "closer");
      const socket = await enter(t, "closer");
      const ended = event(socket, "disconnect");
      socket.io.engine.close();
      assert.equal((await ended)[0], "forced close");
      assert.equal((await gone).reason, "transport close");
    });
  });
}

describe("endings that no client library makes", () => {
  let target;
  before(async () => (target = await startLab({ ping: { interval: 300, timeout: 200 } })));
  after(() => target?.stop());

  test("a connection that vanishes", async (t) => {
    const watcher = await connect(t, target, "/lab", "websocket", { user: "watcher" });
    await request(watcher, "join", "watchers");
    const gone = event(watcher, "gone");
    const frames = await admitted(target, "/lab", mint("vanisher"));
    frames.end();
    assert.deepEqual(await gone, [{ user: "vanisher", reason: "transport close", rooms: [] }]);
  });

  test("a client that answers no ping", async (t) => {
    const watcher = await connect(t, target, "/lab", "websocket", { user: "watcher" });
    await request(watcher, "join", "watchers");
    const gone = event(watcher, "gone");
    const frames = await admitted(target, "/lab", mint("frozen"));
    const { code } = await frames.closed;
    assert.equal((await gone)[0].reason, "ping timeout");
    assert.ok(isReference || code !== 1006, "the close frame has a code");
  });
});
