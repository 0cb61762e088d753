// No sticky sessions: whichever node a request arrives at, its session's node serves it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, connected, event, gather, modes, open, request } from "../js/support/client.mjs";
import { mint } from "../js/support/token.mjs";
import { startAnother, startFleet } from "./support/fleet.mjs";

let fleet;
before(async () => (fleet = await startFleet()));
after(() => fleet?.stop());

for (const mode of modes) {
  describe(`over ${mode}, through a round-robin proxy`, () => {
    test("a room has members on all nodes, and one order", async (t) => {
      const room = `r-${mode}`;
      const sockets = await Promise.all(Array.from({ length: 6 }, (_, i) => connect(t, fleet, "/lab", mode, { user: `u${i}` })));
      await Promise.all(sockets.map((socket) => request(socket, "join", room)));
      const count = 30;
      const heard = sockets.map((socket) => gather(socket, "heard", count));
      await Promise.all(Array.from({ length: count }, (_, i) => request(sockets[i % 6], "all", { room, text: `${i}` })));
      const orders = await Promise.all(heard);
      for (const order of orders) assert.deepEqual(order, orders[0]);
      assert.equal(new Set(orders[0]).size, count);
    });

    test("large and binary messages pass whole", async (t) => {
      const [one, two] = await Promise.all([1, 2].map((i) => connect(t, fleet, "/lab", mode, { user: `b${i}` })));
      await Promise.all([one, two].map((socket) => request(socket, "join", `big-${mode}`)));
      const text = "x".repeat(300_000);
      const heard = event(two, "heard");
      await request(one, "all", { room: `big-${mode}`, text });
      assert.equal((await heard)[0], text);
      const [pushed] = await Promise.all([event(two, "pushed"), request(two, "push")]);
      assert.deepEqual(pushed[0], { first: Buffer.from([1, 2, 3]), list: [Buffer.from([4]), "five"] });
    });
  });
}

test("requests were handed over, and a session keeps its node", async (t) => {
  const socket = await connect(t, fleet, "/lab", "polling");
  const id = socket.io.engine.id;
  assert.match(id, /^[\w-]{22}\.[0-9a-f]{16}$/);
  for (let i = 0; i < 12; i++) await request(socket, "join", `r${i}`);
  assert.equal(socket.io.engine.id, id);
});

test("a session of nobody, of a stranger and of a dead node is unknown at once, everywhere", async (t) => {
  const dying = await startAnother(fleet.nodes);
  const socket = await connect(t, dying, "/lab", "polling");
  const id = socket.io.engine.id;
  await dying.stop();
  const ids = [id, "nobody", "AAAAAAAAAAAAAAAAAAAAAA.0123456789abcdef", "AAAAAAAAAAAAAAAAAAAAAA.", ".", "a.b.c", "a.127.0.0.1:6379", "__proto__.constructor"];
  for (const node of fleet.nodes) {
    for (const sid of ids) {
      const answer = await fetch(`${node.url}/socket.io/?EIO=4&transport=polling&sid=${encodeURIComponent(sid)}`);
      assert.equal(answer.status, 400, sid);
      assert.deepEqual(await answer.json(), { code: 1, message: "Session ID unknown" }, sid);
    }
  }
});

// visit connects to a node itself.
const visit = (t) => (node) => connect(t, node, "/lab", "websocket");

test("the clients of a node that dies come back through the others", async (t) => {
  const dying = await startAnother(fleet.nodes);
  fleet.proxy.targets.push(dying.addr);
  const sockets = [];
  for (let i = 0; i < 8; i++) {
    const socket = open(fleet, "/lab", modes[i % 3], { auth: { token: mint(`d${i}`) }, reconnection: true, reconnectionDelay: 50 });
    t.after(() => socket.disconnect());
    sockets.push(await connected(socket));
  }
  const nodeOf = (socket) => socket.io.engine.id.split(".")[1];
  const before = new Map(sockets.map((socket) => [socket, nodeOf(socket)]));
  const others = new Set((await Promise.all(fleet.nodes.map(visit(t)))).map(nodeOf));
  const theirs = sockets.filter((socket) => !others.has(before.get(socket)));
  assert.ok(theirs.length > 0, "nobody was on the node that dies");
  fleet.proxy.targets.pop();
  const back = theirs.map((socket) => event(socket, "connect"));
  await dying.stop();
  await Promise.all(back);
  for (const socket of theirs) {
    assert.ok(others.has(nodeOf(socket)));
    await request(socket, "join", "after");
  }
});
