// What gatehouse types prints: the official schema of AsyncAPI finds nothing wrong with the document, all of whose references
// lead somewhere, and socket.io-client's types take the interfaces and refuse what the server would.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { load } from "js-yaml";

const run = promisify(execFile);
const here = new URL("./", import.meta.url).pathname;
const gatehouse = join(here, "../../bin/gatehouse");
const schema = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0.json");

let dir;

before(async () => {
  dir = await mkdtemp(join(here, "made-"));
});

after(() => rm(dir, { recursive: true, force: true }));

function validator() {
  const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, logger: false });
  addFormats(ajv);
  return ajv.compile(schema);
}

// references gives all values of $ref.
function references(value) {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  return Object.entries(value).flatMap(([key, inner]) => (key === "$ref" ? [inner] : references(inner)));
}

function resolve(document, reference) {
  const path = reference.split("/").slice(1).map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
  return path.reduce((value, step) => value?.[step], document);
}

test("the document is one of AsyncAPI 3", async () => {
  const document = load(await readFile(join(here, "../../docs/asyncapi.yaml"), "utf8"));
  const validate = validator();
  assert.ok(validate(document), JSON.stringify(validate.errors, null, 1));
  const all = references(document);
  assert.ok(all.length > 50);
  assert.deepEqual(all.filter((reference) => resolve(document, reference) === undefined), []);

  document.operations["Chat:receive:typing"].action = "shout";
  assert.equal(validate(document), false, "a planted mistake is found");
});

test("socket.io-client takes the types, and refuses what the server would", async () => {
  const config = join(dir, "app.yaml");
  await writeFile(
    config,
    `namespaces:
  /app:
    rooms: [{match: "doc:{id}", join: 'true', send: 'true', events: ["cursor", "edit:*"], presence: true}]
    relay: [{events: ["chat message"], to: others}]
  /open: {backend: shop}
backends: {shop: {url: "http://127.0.0.1:1/", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}
`,
  );
  const { stdout } = await run(gatehouse, ["types", "--config", config]);
  await writeFile(join(dir, "events.ts"), stdout);
  await copyFile(join(here, "events.client.ts"), join(dir, "client.ts"));
  await mkdir(join(dir, "node_modules"));
  await symlink(join(here, "../js/node_modules/socket.io-client"), join(dir, "node_modules/socket.io-client"));
  await run("node", [
    join(here, "node_modules/typescript/bin/tsc"),
    "--strict", "--noEmit", "--skipLibCheck", "--target", "es2022", "--module", "nodenext", "--typeRoots", join(dir, "none"), join(dir, "client.ts"),
  ]).catch((err) => assert.fail(err.stdout || err.message));
});
