// SIGHUP, as an operator sends it while clients are connected: rules and limits of a new file count for them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect, modes, request } from "./support/client.mjs";
import { binary } from "./support/target.mjs";
import { startProcess } from "./support/process.mjs";
import { secret } from "./support/token.mjs";

// configuration is a file of the namespace /app.
const configuration = ({ send = "true", events = "1000/s", perUser = 100, rooms = 100, ping = "25s" } = {}) => `
jwt: {hmac_secret: "${secret}"}
engine: {ping_interval: ${ping}}
session: {max_per_user: ${perUser}}
sockets: {max_rooms: ${rooms}}
namespaces:
  /app:
    rooms:
      - match: "room:{id}"
        join: "true"
        send: '${send}'
        limits: {events: ${events}, burst: 10}
`;

// Server is the binary with a file of its own.
class Server {
  static async start(t) {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "gatehouse-test-"));
    server.file = join(server.folder, "gatehouse.yaml");
    await writeFile(server.file, configuration());
    server.running = await startProcess(binary, ["serve", "--addr", "127.0.0.1:0", "--config", server.file]);
    t.after(() => server.stop());
    return server;
  }

  get url() {
    return this.running.url;
  }

  // reload writes a file, sends SIGHUP and gives the lines of the log that tell of it, up to one that has the text.
  async reload(text, until = "is read again and in force") {
    await writeFile(this.file, text);
    const from = this.running.log.length;
    this.running.signal("SIGHUP");
    for (;;) {
      const lines = this.running.log.slice(from).filter((line) => line.includes("SIGHUP"));
      if (lines.some((line) => line.includes(until))) {
        return lines.join("\n");
      }
      await once(this.running.child.stderr, "data");
    }
  }

  async stop() {
    await this.running.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

const say = (socket, room = "room:a") => request(socket, "room:send", { room, event: "said", data: 1 });
const enter = (socket, room) => request(socket, "room:join", { room });
const code = (answer) => (answer.ok ? "ok" : answer.error.code);

describe("SIGHUP", () => {
  test("rules and limits of a new file count for who is connected, those of a wrong one for nobody", async (t) => {
    const server = await Server.start(t);
    const sockets = await Promise.all(modes.map((mode) => connect(t, server, "/app", mode, { user: mode })));
    const all = async (ask) => (await Promise.all(sockets.map(ask))).map(code);
    const same = (word) => modes.map(() => word);
    assert.deepEqual(await all((s) => enter(s, "room:a")), same("ok"));
    assert.deepEqual(await all((s) => say(s)), same("ok"));

    await server.reload(configuration({ send: '"writer" in scopes', rooms: 2 }));
    assert.deepEqual(await all((s) => say(s)), same("forbidden"), "a rule that is stricter");
    assert.deepEqual(await all((s) => enter(s, "room:b")), same("too_many_rooms"), "a limit that is lower");

    const wrong = configuration({ send: "true", rooms: -1 });
    const told = await server.reload(wrong, "the old one stays in force");
    const line = 1 + wrong.split("\n").findIndex((one) => one.includes("max_rooms"));
    assert.ok(told.includes(`${server.file}:${line}: sockets.max_rooms`), told);
    assert.deepEqual(await all((s) => say(s)), same("forbidden"), "of a wrong file nothing is taken");

    await server.reload(configuration({ events: "1/m" }));
    assert.deepEqual(await all((s) => enter(s, "room:b")), same("ok"), "a limit that is higher");
    assert.deepEqual(await all((s) => say(s)), same("ok"), "the rule is back");
    const burst = Array.from({ length: 9 }, () => all((s) => say(s)));
    assert.deepEqual((await Promise.all(burst)).at(-1), same("ok"), "what may come at once");
    assert.deepEqual(await all((s) => say(s)), same("rate_limited"), "a rate that is lower");
    await server.reload(configuration());
    assert.deepEqual(await all((s) => say(s)), same("ok"), "a rate that is higher owes nothing");
  });

  test("what cannot be taken over is named, and the rest is taken", async (t) => {
    const server = await Server.start(t);
    const first = await connect(t, server, "/app", "websocket");
    const gone = new Promise((resolve) => first.once("disconnect", resolve));
    const told = await server.reload(`${configuration({ perUser: 1, ping: "9s" })}  /new: {}\n`, "need a restart");
    assert.ok(told.includes('"keys":["engine.ping_interval","namespaces./new"]'), told);
    await connect(t, server, "/app", "websocket");
    assert.equal(await gone, "io server disconnect", "one user has one connection");
  });
});
