// The proxy samples of the documentation, with two nodes and the real client.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { describe, test } from "node:test";
import { event, request } from "../js/support/client.mjs";
import { startNode, Visitor } from "./support/nodes.mjs";
import { proxies, until } from "./support/proxy.mjs";

const kinds = { default: undefined, polling: ["polling"], "WebSocket-only": ["websocket"] };

for (const [name, start] of Object.entries(proxies)) {
  describe(`the sample for ${name}`, () => {
    test("after a rolling restart everybody is back", async (t) => {
      const { proxy, nodes } = await cluster(t, start);
      const visitors = Object.values(kinds).flatMap((transports, kind) =>
        Array.from({ length: 10 }, (_, i) => new Visitor(proxy, kind * 10 + i, transports)),
      );
      t.after(() => visitors.forEach(({ socket }) => socket.disconnect()));
      await everybodyIsIn(visitors);

      for (const [i, node] of nodes.entries()) {
        assert.deepEqual(await node.terminate(), { code: 0, signal: null });
        await everybodyIsIn(visitors); // on the other node
        nodes[i] = await startNode(node.addr);
        await proxy.settled();
      }

      await until("everybody was lost once", () => visitors.every((v) => v.losses > 0));
      await everybodyIsIn(visitors);
      assert.deepEqual(visitors.flatMap((v) => v.refusals), [], "nobody was told to stay away");
      const tries = visitors.filter((v) => v.failures > 1).map((v) => `${v.name}: ${v.failures}`);
      assert.deepEqual(tries, [], "nobody waited for longer than the first steps of the backoff");
    });

    test("a default client changes to WebSocket, and the node knows its address", async (t) => {
      const { proxy, nodes } = await cluster(t, start);
      const visitor = new Visitor(proxy, 7);
      t.after(() => visitor.socket.disconnect());
      await event(visitor.socket.io.engine, "upgrade");
      await visitor.isIn();
      visitor.socket.disconnect();
      const closed = () => nodes.flatMap((node) => node.log.map((line) => JSON.parse(line))).find(({ msg }) => msg === "connection closed");
      await until("the connection closed", () => closed() !== undefined);
      assert.equal(closed().peer.replace(/:\d+$/, ""), visitor.address);
    });

    test("a message of nearly engine.max_payload passes in a POST", async (t) => {
      const { proxy } = await cluster(t, start);
      const visitor = new Visitor(proxy, 7, ["polling"]);
      t.after(() => visitor.socket.disconnect());
      const text = "x".repeat(990_000);
      assert.equal(await request(visitor.socket, "echo", text), text);
    });

    test("the operators' paths are not for the outside", async (t) => {
      const { proxy, nodes } = await cluster(t, start);
      for (const path of ["/metrics", "/api/v1/revocations", "/debug/pprof/", "/debug/pprof/heap"]) {
        assert.equal((await fetch(nodes[0].url + path)).status, 401, `${path} at the node`);
        assert.equal(await status(proxy, path), 404, `${path} at the proxy`);
      }
      assert.equal(await status(proxy, "/readyz"), 200);
    });
  });
}

const everybodyIsIn = (visitors) => Promise.all(visitors.map((v) => v.isIn()));

// cluster starts two nodes and the proxy in front.
async function cluster(t, start) {
  const nodes = [await startNode(), await startNode()];
  t.after(() => Promise.all(nodes.map((node) => node.stop())));
  const proxy = await start(nodes.map((node) => node.addr));
  t.after(() => proxy.stop());
  await proxy.listening();
  return { proxy, nodes };
}

function status(proxy, path) {
  return new Promise((resolve, reject) => {
    const asked = get(proxy.url + path, { ca: readFileSync(proxy.cert), agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.once("error", reject);
  });
}
