// The examples that are ported from Node's server, with the real client: once with handlers in Go, once with the binary as it
// is, a configuration and a back end in Node. The pages are the same files.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connected, event, modes, open, request } from "../js/support/client.mjs";
import { freePort } from "../js/support/port.mjs";
import { launch, startProcess } from "../js/support/process.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

const ways = {
  "in Go": (t, name) => startProcess(`${root}bin/examples/${name}`, ["--addr", "127.0.0.1:0"]),

  async "by configuration"(t, name) {
    const back = await freePort();
    const dir = await mkdtemp(join(tmpdir(), "frontends-"));
    t.after(() => rm(dir, { recursive: true }));
    const config = await readFile(`${root}examples/frontends/${name}.yaml`, "utf8");
    await writeFile(join(dir, "app.yaml"), config.replace("127.0.0.1:3000", "127.0.0.1:0").replace("127.0.0.1:4000", `127.0.0.1:${back}`));
    const env = { ...process.env, PORT: String(back) };
    const backend = launch("node", [`${root}examples/frontends/${name}.mjs`], { env, stdio: ["ignore", "pipe", "inherit"] });
    t.after(async () => {
      backend.kill();
      if (backend.exitCode === null && backend.signalCode === null) await once(backend, "exit");
    });
    await once(backend.stdout, "data");
    return startProcess(`${root}bin/gatehouse`, ["serve", "--config", join(dir, "app.yaml")], { cwd: `${root}examples/frontends` });
  },
};

// visit connects and resolves with the socket. Events named in `first` are awaited from the beginning on.
async function visit(t, target, mode, { auth, first = [] } = {}) {
  const socket = open(target, "/", mode, { auth });
  t.after(() => socket.disconnect());
  const waiting = first.map((name) => event(socket, name));
  await connected(socket);
  return [socket, ...(await Promise.all(waiting)).map(([arg]) => arg)];
}

for (const [mode, way] of modes.flatMap((mode) => Object.keys(ways).map((way) => [mode, way]))) {
  describe(`the ported examples ${way}, over ${mode}`, () => {
    const start = async (t, name) => {
      const example = await ways[way](t, name);
      t.after(async () => assert.deepEqual(await example.terminate(), { code: 0, signal: null }));
      return example;
    };

    test("the page and its client come with it", async (t) => {
      const target = await start(t, "chat");
      assert.match(await fetch(target.url).then((response) => response.text()), /client\.js/);
      assert.equal((await fetch(`${target.url}/client.js`)).status, 200);
      assert.equal((await fetch(`${target.url}/../chat.yaml`)).status, 404);
    });

    test("chat: who joins is listed, heard, seen typing, and missed", async (t) => {
      const target = await start(t, "chat");
      const [ada] = await visit(t, target, mode);
      const [ben] = await visit(t, target, mode);
      assert.deepEqual(await request(ada, "join", " Ada "), { users: ["Ada"] });

      const joined = event(ada, "joined");
      assert.deepEqual(await request(ben, "join", "Ben"), { users: ["Ada", "Ben"] });
      assert.deepEqual(await joined, ["Ben", ["Ada", "Ben"]]);

      const [typing, said] = [event(ada, "typing"), event(ada, "said")];
      const keystrokes = setInterval(() => ben.emit("typing", true), 20); // volatile: one of them arrives
      assert.deepEqual(await typing.finally(() => clearInterval(keystrokes)), ["Ben", true]);
      ben.emit("say", "Hello");
      assert.deepEqual(await said, ["Ben", "Hello"]);

      const left = event(ada, "left");
      ben.disconnect();
      assert.deepEqual(await left, ["Ben", ["Ada"]]);
    });

    test("chat: a second name, no name, and words before joining are refused", async (t) => {
      const target = await start(t, "chat");
      const [ada] = await visit(t, target, mode);
      assert.equal((await request(ada, "say", "Hello")).error.code, "bad_request");
      assert.equal((await request(ada, "join", "  ")).error.code, "bad_request");
      assert.deepEqual(await request(ada, "join", "Ada"), { users: ["Ada"] });
      assert.equal((await request(ada, "join", "Ben")).error.code, "bad_request");
    });

    test("whiteboard: strokes reach the others, and who comes later", async (t) => {
      const target = await start(t, "whiteboard");
      const stroke = { from: [0, 0], to: [0.5, 0.25], ink: "#0055aa" };
      const [ada, empty] = await visit(t, target, mode, { first: ["board"] });
      assert.deepEqual(empty, []);
      const [ben] = await visit(t, target, mode, { first: ["board"] });
      const seen = event(ben, "stroke");
      ada.emit("stroke", stroke);
      assert.deepEqual(await seen, [stroke]);

      const [, board] = await visit(t, target, mode, { first: ["board"] });
      assert.deepEqual(board, [stroke]);
      const cleared = event(ada, "board");
      ben.emit("clear");
      assert.deepEqual(await cleared, [[]]);
    });

    test("privatemessages: all tabs of two people get a message, a third person does not", async (t) => {
      const target = await start(t, "privatemessages");
      const first = ["session", "people"];
      const [ada, adas] = await visit(t, target, mode, { auth: { name: "Ada" }, first });
      const [ben, bens] = await visit(t, target, mode, { auth: { name: "Ben" }, first });
      const [benToo, same, list] = await visit(t, target, mode, { auth: { session: bens.session }, first });
      const [eve] = await visit(t, target, mode, { auth: { name: "Eve" }, first });
      assert.deepEqual(same, bens, "a session comes back as the same person");
      assert.deepEqual(list.map(({ name, connected }) => [name, connected]), [["Ada", true], ["Ben", true]]);

      const strange = [];
      eve.onAny((name) => strange.push(name));
      const everywhere = [event(ben, "private message"), event(benToo, "private message")];
      assert.deepEqual(await request(ada, "private message", { to: bens.person.id, text: "Hello" }), { ok: true });
      for (const [got] of await Promise.all(everywhere)) {
        assert.deepEqual(got, { from: adas.person.id, to: bens.person.id, text: "Hello" });
      }
      assert.equal((await request(eve, "private message", { to: "nobody", text: "?" })).error.code, "bad_request");
      assert.deepEqual(strange, []);

      const gone = event(ada, "person disconnected");
      ben.disconnect();
      benToo.disconnect();
      assert.deepEqual(await gone, [bens.person.id]);
    });

    test("privatemessages: without a name nobody enters", async (t) => {
      const target = await start(t, "privatemessages");
      for (const auth of [undefined, {}, { name: " " }, { name: 7 }, { session: "made up" }]) {
        const socket = open(target, "/", mode, { auth });
        t.after(() => socket.disconnect());
        const [err] = await event(socket, "connect_error", { failure: "connect" });
        assert.equal(err.data?.code, "bad_request");
      }
    });
  });
}
