// The proxy samples of docs/cluster.md: nginx and HAProxy, round robin, before three nodes that are restarted one after the other.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { describe, test } from "node:test";
import { event, modes, open, request, upgrade } from "../js/support/client.mjs";
import { startLab } from "../js/support/target.mjs";
import { mint } from "../js/support/token.mjs";
import { clusterProxies, until } from "../proxy/support/proxy.mjs";
import { startAlone } from "./support/fleet.mjs";

const room = "everybody";

describe("through a round-robin proxy", { concurrency: true }, () => {
  for (const [name, start] of Object.entries(clusterProxies)) {
    test(`the sample for ${name}: a rolling restart loses nothing, repeats nothing and changes no order`, async (t) => {
      const { nodes, restart } = await startAlone((env, addr) => startLab({ addr, env: { ...env, GATEHOUSE_RECOVERY_FOR: "1m" } }), 4);
      t.after(() => Promise.all(nodes.map((node) => node.stop())));
      const behind = nodes.slice(0, 3); // the author is at the fourth, so that it knows what was sent
      const proxy = await start(behind.map((node) => node.addr));
      t.after(() => proxy.stop());
      await proxy.listening();
      const members = await Promise.all(Array.from({ length: 9 }, (_, i) => visit(t, proxy, modes[i % 3], `u${i}`)));
      assert.equal(new Set(members.map(({ socket }) => socket.io.engine.id.split(".")[1])).size, 3, "clients are on all nodes");

      const author = await visit(t, nodes[3], "websocket", "author");
      const sending = chatter(author.socket);
      for (let i = 0; i < behind.length; i++) {
        assert.deepEqual(await restart(i), { code: 0, signal: null });
        await proxy.settled();
        await until("everybody is there", () => members.every(({ socket }) => socket.connected));
      }
      const sent = await sending.stop();

      const everybody = [...members, author];
      await until("everybody has heard the last message", () => everybody.every(({ heard }) => heard.at(-1) === sent.at(-1)));
      for (const { heard, user } of everybody) assert.deepEqual(heard, sent, `what ${user} heard`);
      assert.ok(everybody.some(({ returns }) => returns.length > 0), "nobody was on a node that was restarted");
      assert.deepEqual(everybody.flatMap(({ returns }) => returns).filter((recovered) => !recovered), [], "everybody was recovered");
    });
  }
});

// visit resolves with a client of the default settings that is in the room, what it hears, and for each return whether it was
// recovered.
async function visit(t, { url, cert }, mode, user) {
  const agent = cert && new Agent({ ca: readFileSync(cert), keepAlive: true });
  const socket = open({ url }, "/lab", mode, { agent, reconnection: true, auth: { token: mint(user) } });
  t.after(() => {
    socket.disconnect();
    agent?.destroy();
  });
  const upgraded = mode === "upgrade" && upgrade(socket);
  await event(socket, "connect", { failure: "connect_error" });
  await upgraded;
  const member = { socket, user, heard: [], returns: [] };
  socket.on("heard", (text) => member.heard.push(text));
  socket.on("connect", () => member.returns.push(socket.recovered));
  await request(socket, "join", room);
  return member;
}

// chatter sends a message whenever the last one is acknowledged; stop resolves with all of them.
function chatter(socket) {
  const sent = [];
  let on = true;
  const done = (async () => {
    while (on) {
      const text = `m${sent.length}`;
      sent.push(text);
      await request(socket, "all", { room, text });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return sent;
  })();
  return {
    stop() {
      on = false;
      return done;
    },
  };
}
