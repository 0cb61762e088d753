// Starts servers as their users do, as processes of their own, and ends them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

// A runner that gives up on a test file ends it by SIGTERM: then nothing that it started stays behind.
const children = new Set();
process.once("SIGTERM", () => {
  children.forEach((child) => child.kill("SIGKILL"));
  process.exit(143);
});

// launch spawns a process that does not outlive the runner.
export function launch(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

// startProcess runs a command that logs on standard error and resolves once it has logged where it listens: as
// {"msg":"listening","addr":…} or, a program with Go's default logger, as "INFO listening addr=…". A process that ends
// before that rejects, with what it had printed.
export async function startProcess(command, args, { env = {}, cwd } = {}) {
  const child = launch(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  const log = [];
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  const addr = await listening(child, log, exited);
  return new Running(child, addr, log, exited);
}

function listening(child, log, exited) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    exited.then(({ code, signal }) => reject(new Error(`ended (${code ?? signal}) before it listened:\n${log.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const addr = listensAt(line);
      if (addr) {
        resolve(addr);
      }
    });
  });
}

function listensAt(line) {
  try {
    const { msg, addr } = JSON.parse(line);
    return msg === "listening" ? addr : undefined;
  } catch {
    return / INFO listening addr=(\S+)$/.exec(line)?.[1];
  }
}

class Running {
  constructor(child, addr, log, exited) {
    this.child = child;
    this.addr = addr;
    this.url = `http://${addr}`;
    this.log = log;
    this.exited = exited;
  }

  get alive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  signal(name) {
    this.child.kill(name);
  }

  // terminate asks for the orderly end and gives how it ended.
  async terminate() {
    if (this.alive) {
      this.signal("SIGTERM");
    }
    return this.exited;
  }

  // stop ends the process at once: for tests that are done with it.
  async stop() {
    if (this.alive) {
      this.signal("SIGKILL");
    }
    await this.exited;
  }
}
