// A server ends cleanly, and clients that have gone leave nothing behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { build, start } from "./support/app.mjs";
import { ask, connect, event, modes, upTo } from "./support/client.mjs";

const program = build("./examples/zishang520/evidence");

test("a stopping server closes its connections and ends with 0", async (t) => {
  const app = await start(program, ["--serve", "gatehouse"]);
  const sockets = await Promise.all(modes.map((mode) => connect(t, app, mode)));
  const gone = sockets.map((socket) => event(socket, "disconnect"));
  assert.equal(await app.stop(), 0);
  assert.deepEqual(await Promise.all(gone), ["transport close", "transport close", "transport close"]);
});

test("clients that come and go leave no goroutine", async (t) => {
  const app = await start(program, ["--serve", "gatehouse"]);
  t.after(() => app.stop());
  const witness = await connect(t, app, "websocket");
  const round = async () => {
    const sockets = await Promise.all(upTo(30).map((n) => connect(t, app, modes[n % modes.length])));
    await Promise.all(sockets.map((socket) => ask(socket, "echo", 1)));
    sockets.forEach((socket) => socket.disconnect());
  };
  await round();
  const before = await steady(witness);
  await round();
  await round();
  const after = await steady(witness, before);
  assert.ok(after <= before, `${before} goroutines before, ${after} after 60 more clients`);
});

// steady reads the number of goroutines until it stays for longer than a second, for which those that have worked wait for
// more, or is small enough.
async function steady(socket, enough = 0) {
  let [last, same] = [Infinity, 0];
  for (;;) {
    const [now] = await ask(socket, "goroutines");
    same = now === last ? same + 1 : 0;
    if (now <= enough || same === 4) {
      return now;
    }
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
