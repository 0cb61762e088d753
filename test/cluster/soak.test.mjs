// A short soak: make soak-cluster is the long one.
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { soak } from "./soak/soak.mjs";

// Few come back in so short a time, so that one who is not recovered, and is told so, counts for much.
const small = { clients: 45, rooms: 3, processes: 1, rate: 30, seconds: 60, killEvery: 8, failoverEvery: 16, cutEvery: 300, least: 0.8, plant: [] };
const calm = { ...small, clients: 6, rooms: 2, seconds: 3, killEvery: 0, failoverEvery: 0, cutEvery: 0, least: 0 };

test("nodes are killed, Redis fails over, links are cut, and every message is accounted for", async (t) => {
  const keep = join(tmpdir(), `gatehouse-soak-${process.pid}.json`);
  const { rows, faults, tally, returns } = await soak({ ...small, keep });
  if (faults.length > 0) t.diagnostic(`what is known is in ${keep}`);
  rows.forEach(([what, n]) => t.diagnostic(`${what}: ${n}`));
  assert.deepEqual(faults.slice(0, 20), []);
  assert.ok(tally.killed >= 3 && tally.crashed >= 1 && tally.handedOver >= 1 && tally.cut >= 10, JSON.stringify(tally));
  assert.ok(returns.recovered > 0 && returns.recovered + returns.anew >= 20, JSON.stringify(returns));
});

test("what is lost, repeated and a ghost is found", async () => {
  const { faults } = await soak({ ...calm, plant: ["loss", "repeat", "ghost"], patience: 3000 });
  for (const fault of [/^member 1 in busy-1: .* is missing, 0 were told of$/, /^member 2 in busy-0: got .* twice$/, /^in a room and not/]) {
    assert.ok(faults.some((one) => fault.test(one)), `${fault} is not among ${faults.slice(0, 20).join("\n")}`);
  }
});
