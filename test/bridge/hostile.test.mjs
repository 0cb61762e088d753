// What no client sends ends that connection with a reason, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { build, shared } from "./support/app.mjs";
import { ask, connect } from "./support/client.mjs";
import { entered, frames } from "./support/wire.mjs";

const app = await shared(build("./examples/zishang520/evidence"), ["--serve", "gatehouse"]);

const malformed = ["42", "43", "430", "450-", "451-", "46", "4", "42{}", '42["x"', '42["connect"]', '42["x"]x', "4294967296[]",
  "43[]", "41[]", "40[]", "49", `42["x",${"[".repeat(100_000)}`];

for (const text of malformed) {
  test(`the frame ${text.slice(0, 20)} ends the connection, not the process`, async (t) => {
    const other = await connect(t, app, "websocket");
    const wire = await entered(app);
    wire.send(text);
    assert.deepEqual(await wire.closed, { code: 1007, reason: "parse error" });
    assert.deepEqual(await ask(other, "echo", 1), [1]);
    assert.ok(app.alive());
  });
}

test("an acknowledgement without arguments does not reach the listener that waits", async (t) => {
  const wire = await entered(app);
  t.after(() => wire.end());
  wire.send('42["ask","x"]');
  const asked = await wire.until("42");
  wire.send(`43${/^42(\d+)/.exec(asked)[1]}`);
  assert.equal((await wire.closed).reason, "parse error");
  assert.ok(app.alive());
});

for (const text of ['42["echo"]', '42/private,["whoami"]', "41/private,", "43/private,1[]", '44{"message":"x"}']) {
  test(`${text} before CONNECT closes the connection`, async () => {
    const wire = await frames(app);
    wire.send(text);
    await wire.closed;
    assert.ok(app.alive());
  });
}

test("a second CONNECT closes the connection, as in Node", async () => {
  const wire = await entered(app);
  wire.send("40");
  await wire.closed;
  assert.ok(app.alive());
});

test("early PONGs are nothing special", async () => {
  for (let i = 0; i < 50; i++) {
    const wire = await frames(app);
    wire.send("3");
    wire.send("40");
    await wire.until("40{");
    wire.end();
  }
  assert.ok(app.alive());
});

test("acknowledgements that nobody asked for are ignored", async () => {
  const wire = await entered(app);
  wire.send("437[]");
  wire.send('421["echo","still here"]');
  assert.equal(await wire.until("43"), '431["still here"]');
  wire.end();
});
