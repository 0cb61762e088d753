// Of a burst between two clients everything arrives, in order, every time.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { build, shared } from "./support/app.mjs";
import { connect, gather, modes, upTo } from "./support/client.mjs";

const app = await shared(build("./examples/zishang520/evidence"), ["--serve", "gatehouse"]);
const count = 200;
const runs = 20;

for (const mode of modes) {
  describe(`over ${mode}`, () => {
    for (const run of upTo(runs)) {
      test(`run ${run + 1} of ${runs}: ${count} of ${count} messages arrive in order`, async (t) => {
        const [sender, receiver] = await Promise.all([connect(t, app, mode), connect(t, app, mode)]);
        const arrived = gather(receiver, "message", count);
        upTo(count).forEach((n) => sender.emit("chat", n));
        assert.deepEqual(await arrived, upTo(count));
        sender.disconnect();
        receiver.disconnect();
      });
    }
  });
}

test("more than the queue holds arrives too, because reading pauses", async (t) => {
  const [sender, receiver] = await Promise.all([connect(t, app, "websocket"), connect(t, app, "websocket")]);
  const arrived = gather(receiver, "message", 10_000);
  upTo(10_000).forEach((n) => sender.emit("chat", n));
  assert.deepEqual(await arrived, upTo(10_000));
});

test("what was sent before the connection closed is handled", async (t) => {
  const [sender, receiver] = await Promise.all([connect(t, app, "websocket"), connect(t, app, "websocket")]);
  const arrived = gather(receiver, "message", count);
  upTo(count).forEach((n) => sender.emit("chat", n));
  sender.disconnect();
  assert.deepEqual(await arrived, upTo(count));
});
