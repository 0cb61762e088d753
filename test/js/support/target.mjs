// What the suites test: the gatehouse binary; with TARGET=reference Node's own server, which shows that a suite asks for
// nothing but what Socket.IO does; with TARGET=cluster three nodes behind a proxy that brings each request to the next of
// them, on the Redis at TEST_REDIS_ADDR.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startProcess } from "./process.mjs";
import { secret } from "./token.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const binary = process.env.TEST_BINARY ?? here("../../../bin/gatehouse");
const testapp = process.env.TEST_APP ?? here("../../../bin/testapp");
export const isReference = process.env.TARGET === "reference";
export const isCluster = process.env.TARGET === "cluster";

// Node's own heartbeat.
const node = { interval: 25_000, timeout: 20_000 };

const heartbeat = ({ interval, timeout }) => ({
  GATEHOUSE_ENGINE_PING_INTERVAL: `${interval}ms`,
  GATEHOUSE_ENGINE_PING_TIMEOUT: `${timeout}ms`,
});

// startTarget serves /chat and /echo. The options of all starters: addr, env, and ping: {interval, timeout} in ms.
export async function startTarget(options = {}) {
  return isReference ? startReference(options) : startGatehouse(options);
}

// startLab serves the namespaces of testapp/main.go, which show what the chat has no use for.
export async function startLab(options = {}) {
  return isReference ? startReference(options) : startWithState(testapp, ["--addr", options.addr ?? "127.0.0.1:0"], options);
}

export async function startReference({ addr = "127.0.0.1:0", ping = node, env = {} } = {}) {
  const beat = { REFERENCE_PING_INTERVAL_MS: `${ping.interval}`, REFERENCE_PING_TIMEOUT_MS: `${ping.timeout}` };
  return startProcess(process.execPath, [here("../reference-server.mjs"), "--addr", addr], {
    env: { REFERENCE_JWT_SECRET: secret, ...beat, ...env },
  });
}

export async function startGatehouse(options = {}) {
  const { addr = "127.0.0.1:0", args = [] } = options;
  return startWithState(binary, ["serve", "--dev", "--addr", addr, ...args], options);
}

// The state directory is the process's own: the development key never reaches the user's home. It goes with the process.
async function startWithState(command, args, options) {
  if (!isCluster) {
    return startOne(command, args, options);
  }
  const { startNodes } = await import("../../cluster/support/fleet.mjs");
  return startNodes((env) => startOne(command, args, { ...options, env: { ...env, ...options.env } }));
}

async function startOne(command, args, { ping = node, env = {} }) {
  const state = await mkdtemp(join(tmpdir(), "gatehouse-test-"));
  const clear = () => rm(state, { recursive: true, force: true });
  try {
    const running = await startProcess(command, args, {
      env: { XDG_STATE_HOME: state, GATEHOUSE_JWT_HMAC_SECRET: secret, ...heartbeat(ping), ...env },
    });
    running.exited = running.exited.then((end) => clear().then(() => end));
    return running;
  } catch (err) {
    await clear();
    throw err;
  }
}
