// The runner of make test, on Makefiles of this test's own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, watch } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const runner = fileURLToPath(new URL("lanes.mjs", import.meta.url));
let dir;
before(async () => (dir = await mkdtemp(join(tmpdir(), "lanes-"))));
after(() => rm(dir, { recursive: true, force: true }));

// begin runs lanes over a Makefile.
async function begin(makefile, ...lanes) {
  await writeFile(join(dir, "Makefile"), makefile);
  const env = { ...process.env };
  delete env.MAKEFLAGS; // of the make that runs this test
  delete env.MAKELEVEL;
  const child = spawn(process.execPath, [runner, ...lanes], { cwd: dir, env });
  let output = "";
  child.stdout.on("data", (part) => (output += part));
  child.stderr.on("data", (part) => (output += part));
  return { child, ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, output }))) };
}

// there waits for a file, which a target of the Makefile makes.
async function there(name) {
  for await (const _ of changes()) {
    if (existsSync(join(dir, name))) {
      return;
    }
  }
}

async function* changes() {
  const watcher = watch(dir);
  try {
    for (;;) {
      const next = new Promise((resolve) => watcher.once("change", resolve));
      yield;
      await next;
    }
  } finally {
    watcher.close();
  }
}

// alive says whether a process runs; one that has ended and that nobody has waited for does not.
const alive = (pid) => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

test("lanes run beside each other, and their output is kept apart", async () => {
  // Each of the two waits for the other, so that one after the other would never end.
  const { ended } = await begin(`
one:
	@echo one begins; touch one.there; until test -e two.there; do sleep 0.01; done; echo one ends >&2
two:
	@echo two begins; touch two.there; until test -e one.there; do sleep 0.01; done; echo two ends
three:
	@echo three
`, "one,three", "two");
  const { code, output } = await ended;
  assert.equal(code, 0, output);
  assert.match(output, /one begins\none ends\n== one: \d+ s\n/);
  assert.match(output, /two begins\ntwo ends\n== two: \d+ s\n/);
  assert.ok(output.indexOf("== one: ") < output.indexOf("== three begins"), output);
});

test("the first target that fails ends the run, and what the others started", async () => {
  const { ended } = await begin(`
bad:
	@until test -s child.pid; do sleep 0.01; done; echo what is wrong; false
slow:
	@sleep 1000 & echo $$! > child.new; mv child.new child.pid; wait
never:
	@touch never.run
`, "bad,never", "slow,never");
  const { code, output } = await ended;
  assert.equal(code, 1, output);
  assert.match(output, /what is wrong[^]*== bad: FAILED \d+ s\n/);
  assert.match(output, /== slow: stopped \d+ s\n/);
  assert.equal(existsSync(join(dir, "never.run")), false);
  assert.equal(alive(Number(await readFile(join(dir, "child.pid"), "utf8"))), false);
});

test("a signal ends the run and what it started", async () => {
  const { child, ended } = await begin(`
wait:
	@sleep 1000 & echo $$! > own.new; mv own.new own.pid; wait
`, "wait");
  await there("own.pid");
  child.kill("SIGTERM");
  const { code, output } = await ended;
  assert.equal(code, 143, output);
  assert.equal(alive(Number(await readFile(join(dir, "own.pid"), "utf8"))), false);
});

test("a target that leaves a process behind does not hold the run up", async () => {
  const { ended } = await begin("leaves:\n\t@sleep 1000 & echo done\n", "leaves");
  const { code, output } = await ended;
  assert.equal(code, 0, output);
});
