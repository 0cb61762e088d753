// Nothing is lost and nothing overtakes, however much is sent at once.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, connected, gather, modes, open, request, upgrade } from "./support/client.mjs";
import { startTarget } from "./support/target.mjs";
import { mint } from "./support/token.mjs";

// burst has several members of a room send at once and holds that all members got all of it in the same order,
// which is each sender's own.
async function burst(members, senders, total) {
  const each = total / senders.length;
  const heard = members.map((socket) => gather(socket, "message", total));
  const sent = senders.flatMap((socket, n) =>
    Array.from({ length: each }, (_, i) => request(socket, "message:send", { room: "burst", text: `${n}:${i}` })),
  );
  const [first, ...others] = (await Promise.all(heard)).map((list) => list.map((m) => m.text));
  for (const other of others) {
    assert.deepEqual(other, first, "all see one order");
  }
  senders.forEach((_, n) => {
    const own = first.filter((text) => text.startsWith(`${n}:`));
    assert.deepEqual(own, Array.from({ length: each }, (_, i) => `${n}:${i}`), "each sender's order is kept");
  });
  for (const answer of await Promise.all(sent)) {
    assert.equal(answer.ok, true);
  }
}

async function room(t, target, mode, count) {
  const members = await Promise.all(Array.from({ length: count }, (_, i) => connect(t, target, "/chat", mode, { user: `member-${i}` })));
  await Promise.all(members.map((socket) => request(socket, "room:join", { room: "burst" })));
  return members;
}

describe("bursts", () => {
  let target;
  before(async () => (target = await startTarget()));
  after(() => target?.stop());

  test("10,000 messages of four senders reach 50 members of a room", async (t) => {
    const members = await room(t, target, "websocket", 50);
    await burst(members, members.slice(0, 4), 10_000);
  });

  for (const mode of modes) {
    test(`1,000 messages of two senders reach 12 members over ${mode}`, async (t) => {
      const members = await room(t, target, mode, 12);
      await burst(members, members.slice(0, 2), 1000);
    });
  }

  test("a burst goes on while the members change from polling to WebSocket", async (t) => {
    for (let round = 0; round < 5; round++) {
      const members = Array.from({ length: 8 }, (_, i) => open(target, "/chat", "upgrade", { auth: { token: mint(`member-${i}`) } }));
      t.after(() => members.forEach((socket) => socket.disconnect()));
      const upgraded = members.map(upgrade);
      await Promise.all(members.map(connected));
      await Promise.all(members.map((socket) => request(socket, "room:join", { room: "burst" })));
      await burst(members, members.slice(0, 2), 500);
      await Promise.all(upgraded);
      members.forEach((socket) => socket.disconnect());
    }
  });

  test("200 messages between two clients arrive complete and in order, 20 times out of 20", async (t) => {
    for (let round = 0; round < 20; round++) {
      for (const mode of modes) {
        const [ada, bob] = await room(t, target, mode, 2);
        await burst([ada, bob], [ada], 200);
        ada.disconnect();
        bob.disconnect();
      }
    }
  });

  test("an echo of 1,000 binary messages at once keeps them whole", async (t) => {
    for (const mode of modes) {
      const socket = await connect(t, target, "/echo", mode);
      const sent = Array.from({ length: 1000 }, (_, i) => ({ i, data: Buffer.from(`payload ${i}`) }));
      const got = await Promise.all(sent.map((value) => request(socket, "echo", value)));
      assert.deepEqual(got, sent);
    }
  });
});
