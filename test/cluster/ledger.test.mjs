// The soak's ledger finds what is lost, repeated, reordered and made up, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { account } from "./soak/ledger.mjs";

// sent are messages 1, 2, 3… to one room, sent at 10, 20, 30… and acknowledged 5 later.
const sent = (n, change = {}) => Array.from({ length: n }, (_, i) => ({ id: `${i + 1}`, room: "r", at: 10 * (i + 1), acked: 10 * (i + 1) + 5, ...change[i + 1] }));

// stay is what a member received, each message 6 after it was sent unless said otherwise.
const stay = (ids, { member = 0, joined = 0, told = 0, at = {} } = {}) => ({
  member, joined, told, room: "r", got: ids.map((id) => ({ id: `${id}`, at: at[id] ?? 10 * id + 6 })),
});

const cases = {
  "everything came": { sent: sent(4), stays: [stay([1, 2, 3, 4]), stay([1, 2, 3, 4], { member: 1 })] },
  "who came later owes nothing from before": { sent: sent(4), stays: [stay([3, 4], { joined: 25 })] },
  "what was under way when somebody came or left is not owed": { sent: sent(4), stays: [stay([3], { joined: 21 }), stay([1], { member: 1 })] },
  "what was never acknowledged and reached nobody is lost with its sender": { sent: sent(3, { 2: { acked: undefined } }), stays: [stay([1, 3])] },
  "a gap that was told of": { sent: sent(4), stays: [stay([1, 4], { told: 2 })] },
  "messages at the same time come in one order, whichever": { sent: sent(2, { 1: { at: 20, acked: 30 } }), stays: [stay([2, 1], { at: { 1: 27 } }), stay([2, 1], { at: { 1: 28 } })] },
  "late after a failover": { sent: sent(3), failovers: [14], stays: [stay([1, 2, 3]), stay([2, 3, 1], { at: { 1: 37 } })] },
  lost: { sent: sent(3), stays: [stay([1, 3])], fault: "member 0 in r: 2 is missing, 0 were told of" },
  "more lost than was told of": { sent: sent(4), stays: [stay([1, 4], { told: 1 })], fault: "member 0 in r: 2 is missing, 1 were told of" },
  "acknowledged, and reached nobody": { sent: sent(3), stays: [stay([1, 3]), stay([1, 3], { member: 1 })], fault: "2 is missing" },
  "never acknowledged, and reached some": { sent: sent(3, { 2: { acked: undefined } }), stays: [stay([1, 2, 3]), stay([1, 3], { member: 1 })], fault: "member 1 in r: 2 is missing" },
  repeated: { sent: sent(2), stays: [stay([1, 2, 2])], fault: "got 2 twice" },
  "behind what was sent later": { sent: sent(3), stays: [stay([2, 1, 3])], fault: "got 1 behind 2, which was sent later" },
  "two orders": { sent: sent(2, { 1: { at: 20, acked: 30 } }), stays: [stay([1, 2], { at: { 1: 27 } }), stay([2, 1], { member: 1, at: { 1: 28 } })], fault: "member 1 in r: got 1 behind 2, member 0 before it" },
  "made up": { sent: sent(1), stays: [stay([1, 7])], fault: "got 7, which nobody has sent there" },
  "of another room": { sent: [...sent(1), { id: "2", room: "other", at: 20, acked: 25 }], stays: [stay([1, 2])], fault: "got 2, which nobody has sent there" },
};

for (const [what, { fault, ...given }] of Object.entries(cases)) {
  test(what, () => {
    const faults = account(given);
    if (fault) assert.ok(faults.some((one) => one.includes(fault)), `found ${JSON.stringify(faults)}`);
    else assert.deepEqual(faults, []);
  });
}
