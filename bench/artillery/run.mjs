// Runs the scenario files against the binary, with the artillery and the Node 22 that test/artillery installs, and fails
// when a virtual user did. TARGET in the environment takes another server, for which tokens.csv must be there. Arguments
// name files of one's own.
import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const tools = join(root, "test/artillery/node_modules");
const users = 100;

const scratch = await mkdtemp(join(tmpdir(), "gatehouse-artillery-"));
let server;
try {
  const env = process.env.TARGET ? process.env : await started();
  const own = process.argv.slice(2).map((file) => resolve(file));
  if (own.length === 0) {
    await run(join(here, "chat.yml"), env, { echoes: true });
    await run(join(here, "chat-v3.yml"), env, { echoes: true });
  }
  for (const file of own) {
    await run(file, env);
  }
} finally {
  server?.kill();
  await rm(scratch, { recursive: true });
}

// started starts the binary and gives the environment of the scenario files.
async function started() {
  const secret = randomBytes(32).toString("hex");
  server = spawn(join(root, "bin/gatehouse"), ["serve", "--addr", "127.0.0.1:0"], {
    env: { ...process.env, GATEHOUSE_JWT_HMAC_SECRET: secret },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const addr = await listening(server.stderr);
  await writeFile(join(here, "tokens.csv"), Array.from({ length: users }, (_, i) => `user-${i},${token(secret, `user-${i}`)}\n`).join(""));
  return { ...process.env, TARGET: `http://${addr}` };
}

function listening(log) {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: log }); // goes on reading, so that the log never blocks the server
    lines.on("line", (line) => {
      const { msg, addr } = JSON.parse(line);
      if (msg === "listening") {
        resolve(addr);
      }
    });
    lines.once("close", () => reject(new Error("the server did not start to listen")));
  });
}

// token signs as `gatehouse token` does, for many users at once.
function token(secret, sub) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, iat: now, exp: now + 3600 })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

// run fails when a virtual user did not get to its end. With echoes, each message must have come back too.
async function run(file, env, { echoes = false } = {}) {
  const name = basename(file);
  const report = join(scratch, `${name}.json`);
  const node = join(tools, `node-${process.platform}-${process.arch}`, "bin/node");
  await exited(spawn(node, [join(tools, "artillery/bin/run"), "run", "--output", report, file], {
    env: { ...env, ARTILLERY_DISABLE_TELEMETRY: "true" },
    stdio: ["ignore", "inherit", "inherit"],
  }));
  const { counters } = JSON.parse(await readFile(report)).aggregate;
  const wrong = Object.keys(counters).filter((key) => /^errors\.|message_missing/.test(key));
  const back = counters["chat.message_back"] ?? 0;
  if (counters["vusers.failed"] > 0 || counters["vusers.completed"] !== counters["vusers.created"] || wrong.length || (echoes && !back)) {
    throw new Error(`${name}: ${JSON.stringify(counters)}`);
  }
  console.log(`${name}: ${counters["vusers.completed"]} virtual users came to their end${echoes ? `, all ${back} messages came back` : ""}`);
}

function exited(child) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`artillery ended with ${code}`))));
  });
}
