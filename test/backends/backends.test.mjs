// The same application with a back end in three languages, the front end untouched:
// what its page does, with the real client.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../js/support/port.mjs";

const require = createRequire(new URL("../js/package.json", import.meta.url));
const { io } = require("socket.io-client");
const root = new URL("../../", import.meta.url).pathname;

const languages = {
  node: () => ["node", ["node/server.mjs"]],
  python: () => ["python3", ["python/server.py"]],
  php: (port) => ["php", ["-S", `127.0.0.1:${port}`, "php/index.php"]],
};

// start runs a program of the example until the test ends.
function start(t, command, args, options) {
  const child = spawn(command, args, { cwd: `${root}examples/backends`, stdio: ["ignore", "pipe", "pipe"], ...options });
  t.after(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  return child;
}

async function answers(url) {
  for (;;) {
    try {
      return await fetch(url);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

// gatehouse runs the configuration of the example with addresses of the test's own.
async function gatehouse(t, backend) {
  const dir = await mkdtemp(join(tmpdir(), "backends"));
  t.after(() => rm(dir, { recursive: true }));
  const config = (await readFile(`${root}examples/backends/app.yaml`, "utf8"))
    .replace("127.0.0.1:3000", "127.0.0.1:0")
    .replace("127.0.0.1:4000", `127.0.0.1:${backend}`);
  await writeFile(join(dir, "app.yaml"), config);
  const child = start(t, `${root}bin/gatehouse`, ["serve", "--config", join(dir, "app.yaml")]);
  let text = "";
  for await (const chunk of child.stderr) {
    text += chunk;
    for (const line of text.split("\n").slice(0, -1)) {
      const { msg, addr } = JSON.parse(line);
      if (msg === "listening") {
        child.stderr.resume();
        return `http://${addr}`;
      }
    }
  }
  throw new Error(`the server ended: ${text}`);
}

for (const [language, command] of Object.entries(languages)) {
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`a back end in ${language} over ${transports}`, async (t) => {
      const port = await freePort();
      start(t, ...command(port), { env: { ...process.env, PORT: String(port) } });
      const page = await answers(`http://127.0.0.1:${port}/`);
      assert.match(await page.text(), /<title>Orders<\/title>/);
      const url = await gatehouse(t, port);

      const come = async (name, staff) => {
        const login = () =>
          fetch(`http://127.0.0.1:${port}/login`, { method: "POST", body: JSON.stringify({ name, staff }) }).then((r) => r.json());
        const socket = io(`${url}/app`, { transports, forceNew: true, auth: (send) => login().then(send) });
        t.after(() => socket.disconnect());
        socket.heard = [];
        socket.onAny((event, data) => socket.heard.push([event, data]));
        await new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", reject));
        return socket;
      };
      const hears = (socket, event) =>
        new Promise((resolve) => {
          const found = socket.heard.find(([name]) => name === event);
          if (found) resolve(found[1]);
          else socket.once(event, resolve);
        });

      const desk = await come("dora", true);
      const guest = await come("ann", false);
      assert.equal((await desk.emitWithAck("room:join", { room: "desk" })).count, 1);
      assert.equal((await guest.emitWithAck("room:join", { room: "desk" })).error.code, "forbidden");

      const { ok, id } = await guest.emitWithAck("order:create", { item: "tea" });
      assert.ok(ok && id);
      assert.deepEqual(await hears(desk, "order:created"), { id, item: "tea", by: "ann" });
      assert.equal((await guest.emitWithAck("order:done", { id })).error.code, "forbidden");
      assert.deepEqual(await desk.emitWithAck("order:done", { id }), { ok: true });
      assert.equal((await hears(guest, "order:done")).item, "tea");
      assert.equal((await desk.emitWithAck("order:done", { id })).error.code, "not_found");

      const tab = await come("ann", false); // every device of hers gets it
      await desk.emitWithAck("dm:send", { to: "ann", text: "hello" });
      for (const socket of [guest, tab]) assert.deepEqual(await hears(socket, "dm"), { from: "dora", text: "hello" });

      const second = await come("emil", true);
      assert.equal((await second.emitWithAck("room:join", { room: "desk" })).count, 2);
      assert.equal((await hears(desk, "presence:joined")).user, "emil");
    });
  }

  test(`a back end in ${language} refuses what nobody signed`, async (t) => {
    const port = await freePort();
    start(t, ...command(port), { env: { ...process.env, PORT: String(port) } });
    await answers(`http://127.0.0.1:${port}/`);
    for (const headers of [{}, { "webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA" }]) {
      const response = await fetch(`http://127.0.0.1:${port}/realtime`, { method: "POST", headers, body: "{}" });
      assert.equal(response.status, 401);
    }
  });
}
