// The description of the interface for back ends, taken from the running binary: a validator finds nothing wrong with it,
// and a client in TypeScript that is made from it compiles and does what it says.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Validator } from "@seriousme/openapi-schema-validator";
import { connect, event } from "../js/support/client.mjs";
import { startTarget } from "../js/support/target.mjs";
import { secret } from "../js/support/token.mjs";

const run = promisify(execFile);
const here = new URL("./", import.meta.url).pathname;
const key = "a key of a back end of this test, long enough";

let dir, target, document;

before(async () => {
  dir = await mkdtemp(join(here, "made-")); // beside node_modules, so that the client finds its library
  await writeFile(
    join(dir, "app.yaml"),
    `api: {keys: [{name: orders, secret: "${key}", namespaces: ["*"], scopes: [publish, rooms, read, disconnect, revoke]}]}
namespaces: {/app: {rooms: [{match: "doc:{id}", join: 'true', history: {messages: 10}}]}}
jwt: {hmac_secret: "${secret}"}
`,
  );
  target = await startTarget({ args: ["--config", join(dir, "app.yaml")] });
  const answer = await fetch(`${target.url}/api/v1/openapi.json`, { headers: { Authorization: `Bearer ${key}` } });
  document = await answer.text();
});

after(async () => {
  await target?.stop();
  await rm(dir, { recursive: true, force: true });
});

test("a validator finds nothing wrong with it", async () => {
  const { valid, errors } = await new Validator().validate(JSON.parse(document));
  assert.deepEqual([valid, errors], [true, undefined]);
  const broken = JSON.parse(document);
  broken.paths["/api/v1/publish"].post.responses = [];
  assert.equal((await new Validator().validate(broken)).valid, false, "the validator finds a planted mistake");
});

test("a client that is made from it compiles and works", async (t) => {
  await writeFile(join(dir, "openapi.json"), document);
  await copyFile(join(here, "client.ts"), join(dir, "client.ts"));
  await run("node", [join(here, "node_modules/openapi-typescript/bin/cli.js"), join(dir, "openapi.json"), "-o", join(dir, "interface.d.ts")]);
  await run("node", [
    join(here, "node_modules/typescript/bin/tsc"),
    "--strict", "--target", "es2022", "--module", "nodenext", "--typeRoots", dir, join(dir, "client.ts"),
  ]).catch((err) => assert.fail(err.stdout || err.message));
  const { work } = await import(pathToFileURL(join(dir, "client.js")).href);

  const ada = await connect(t, target, "/app", "websocket");
  await ada.emitWithAck("room:join", { room: "doc:7" });
  const updated = event(ada, "updated");
  const did = await work(target.url, key);
  const [data, meta] = await updated;
  assert.deepEqual([data, meta.from, meta.room], [{ v: 2 }, "orders", "doc:7"]);
  assert.deepEqual(did, { queued: 1, users: ["ada"], kept: ["updated"], refused: "not_found", selected: 1 });
  assert.equal(ada.connected, false);
});
