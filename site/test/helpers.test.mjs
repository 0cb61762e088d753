// The helpers of the site, without a page. What the configuration builder makes is given to `gatehouse config check`.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { helper } from "./support.mjs";

const run = promisify(execFile);
const gatehouse = new URL("../../bin/gatehouse", import.meta.url).pathname;

const { decode, span } = await helper("token");
const { build, choices, first } = await helper("configuration");
const { migrate, options } = await helper("migration");

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const token = (claims, header = { alg: "HS256" }) => {
  const body = `${part(header)}.${part(claims)}`;
  return `${body}.${createHmac("sha256", "x").update(body).digest("base64url")}`;
};

test("a token is read, with what is to be said of it", () => {
  const read = decode(`Bearer ${token({ sub: "ada", name: "Åda ✓", iat: 900, exp: 4_600 })}\n`, 1_000_000);
  assert.deepEqual([read.header, read.claims.name, read.notes], [{ alg: "HS256" }, "Åda ✓", ["It expires in 1 hour."]]);
  const notes = (claims, header) => decode(token(claims, header), 1_000_000).notes.join(" ");
  assert.match(notes({ sub: "ada", iat: 1, exp: 940 }), /expired, 1 minute ago/);
  assert.match(notes({ sub: "ada", iat: 1 }), /refuses tokens without an end/);
  assert.match(notes({ iat: 1, exp: 2_000 }), /no subject/);
  assert.match(notes({ sub: "ada", exp: 2_000 }), /does not say when/);
  assert.match(notes({ sub: "ada", iat: 5_000, exp: 9_000, nbf: 1_060 }), /another 1 minute.*one of the two clocks/);
  assert.match(notes({ sub: "ada", iat: 1, exp: 2_000 }, { alg: "none" }), /not signed/);
  assert.equal(span(172_800), "2 days");
});

test("what is no token is said to be none", () => {
  assert.equal(decode("", 0), "");
  assert.match(decode("a.b", 0), /three parts/);
  assert.match(decode("a.b.c.d.e", 0), /encrypted/);
  assert.match(decode("%.b.c", 0), /first part/);
  assert.match(decode(`${part({})}.${part([])}.c`, 0), /second part/);
  assert.match(decode(`${part({})}.${Buffer.from([0xff]).toString("base64url")}.c`, 0), /second part/);
});

// everyPair gives few combinations in which every answer meets every other one: what one choice writes can only disturb what
// another one does.
function everyPair() {
  const keys = Object.keys(choices);
  let all = [{}];
  for (const key of keys) {
    all = all.flatMap((combination) => choices[key].map((answer) => ({ ...combination, [key]: answer })));
  }
  const meetings = (c) => keys.flatMap((a, i) => keys.slice(i + 1).map((b) => `${a} ${c[a]} ${b} ${c[b]}`));
  const open = new Set(all.flatMap(meetings));
  const chosen = [first];
  for (meetings(first).forEach((one) => open.delete(one)); open.size > 0; ) {
    const gain = (c) => meetings(c).filter((one) => open.has(one)).length;
    const best = all.reduce((one, other) => (gain(other) > gain(one) ? other : one));
    chosen.push(best);
    meetings(best).forEach((one) => open.delete(one));
  }
  return chosen;
}

test("every configuration that can be chosen passes gatehouse config check", async () => {
  const dir = await mkdtemp(join(tmpdir(), "gatehouse-"));
  try {
    await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=localhost", "-keyout", join(dir, "server.key"), "-out", join(dir, "server.pem")]);
    await run("openssl", ["pkey", "-in", join(dir, "server.key"), "-pubout", "-out", join(dir, "issuer.pem")]);
    for (const name of ["jwt", "cluster"]) {
      await writeFile(join(dir, `${name}.secret`), randomBytes(48).toString("base64"), { mode: 0o600 });
    }
    const all = everyPair();
    assert.ok(all.length >= 9 && all.length < 20, `${all.length} combinations`);
    const check = async (combination) => {
      const file = join(dir, `${all.indexOf(combination)}.yaml`);
      await writeFile(file, build(combination).replaceAll("/etc/gatehouse/", `${dir}/`));
      await run(gatehouse, ["config", "check", "--config", file], { env: {} })
        .catch((err) => assert.fail(`${JSON.stringify(combination)}: ${err.stderr}`));
    };
    for (let at = 0; at < all.length; at += 4) {
      await Promise.all(all.slice(at, at + 4).map(check));
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test("the options of a call are found, whatever stands in them", () => {
  const source = `const socket = io.connect(url("{"), {
    // a comment, with { and ,
    auth: (send) => send({ token: a ? "}" : 'x,y' }), /* } */
    "query": { a: [1, 2], b: \`\${"{"}\` }, transports: ["websocket"],
    path, ...more, reconnection: false });`;
  assert.deepEqual([...options(source).keys()], ["auth", "query", "transports", "path", "...more", "reconnection"]);
  assert.deepEqual([...options("{ forceNew: true }").keys()], ["forceNew"]);
  assert.deepEqual([...options("io({})").keys()], []);
  assert.match(options("io({ a: 1"), /do not end/);
  assert.match(options("io()"), /no {…}/);
  assert.equal(options(" "), "");
});

test("each option gets what becomes of it", () => {
  const verdicts = (source) => Object.fromEntries(migrate(source).map(({ option, verdict }) => [option, verdict]));
  assert.deepEqual(verdicts(`io({ auth: { token } , transports: ["websocket"], path: "/socket.io", nonsense: 1 })`),
    { auth: "changes", transports: "stays", path: "stays", nonsense: "look" });
  assert.deepEqual(verdicts(`io({ auth: (send) => send({ token }), transports: ["webtransport"], path: "/ws", constructor: 1 })`),
    { auth: "stays", transports: "changes", path: "look", constructor: "look" });
  assert.deepEqual(verdicts(`io({ query: { token } })`), { query: "changes", auth: "changes" });
  assert.deepEqual(verdicts(`io({ query: { room: 1 }, extraHeaders: { Authorization: x } })`), { query: "look", extraHeaders: "look" });
  for (const { why } of migrate(`io({ auth: {}, query: {}, parser, protocols: [], ...x })`)) {
    assert.match(why, /\.$/, "a reason is a sentence");
  }
});
