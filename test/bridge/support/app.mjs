// Builds and starts the applications under test, as processes of their own.
import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";

const root = new URL("../../..", import.meta.url).pathname;
const secret = "a secret for tests only, longer than thirty-two bytes";

// build compiles a Go program for the time of a test file.
export function build(pkg) {
  const dir = mkdtempSync(join(tmpdir(), "gatehouse-bridge-"));
  after(() => rmSync(dir, { recursive: true }));
  execFileSync("go", ["build", "-o", join(dir, "app"), pkg], { cwd: root, stdio: "inherit" });
  return join(dir, "app");
}

// start resolves once the program has logged {"msg":"listening","addr":…}.
export async function start(program, args) {
  const child = spawn(program, args, { env: { ...process.env, GATEHOUSE_JWT_HMAC_SECRET: secret }, stdio: ["ignore", "ignore", "pipe"] });
  const log = [];
  const exited = once(child, "exit").then(([code, signal]) => code ?? signal);
  const addr = await new Promise((resolve, reject) => {
    exited.then((how) => reject(new Error(`ended (${how}) before it listened:\n${log.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const said = /^\{.*"msg":"listening".*"addr":"([^"]+)"/.exec(line);
      if (said) {
        resolve(said[1]);
      }
    });
  });
  const stop = () => {
    child.kill("SIGTERM");
    return exited;
  };
  return { url: `http://${addr}`, addr, log, exited, stop, alive: () => child.exitCode === null && child.signalCode === null };
}

// shared starts an application for a test file and ends it with the file.
export async function shared(program, args) {
  const app = await start(program, args);
  after(() => app.stop());
  return app;
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);

// mint makes a token that the applications accept.
export function mint(sub, claims = {}, key = secret) {
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, iat: now(), exp: now() + 3600, ...claims })}`;
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}
