// Redis as a primary and a replica behind one address, and its failovers.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { launch } from "../../js/support/process.mjs";
import { freePort } from "../../js/support/port.mjs";

const run = promisify(execFile);
const limit = 60_000; // ms for what a Redis is waited for

// settled waits until something holds.
async function settled(what, holds) {
  for (const end = Date.now() + limit; !(await holds()); await new Promise((done) => setTimeout(done, 50))) {
    if (Date.now() > end) throw new Error(`${what}: not within ${limit / 1000} s`);
  }
}

// Pair is the address that a fleet connects to, at whichever of the two takes writes.
export class Pair {
  #links = new Set();
  #front = createServer((client) => this.#carry(client));

  static async start() {
    const pair = new Pair();
    pair.dir = await mkdtemp(join(tmpdir(), "gatehouse-soak-"));
    pair.primary = await pair.#server();
    pair.replica = await pair.#server(pair.primary);
    pair.#front.listen(0, "127.0.0.1");
    await once(pair.#front, "listening");
    pair.addr = `127.0.0.1:${pair.#front.address().port}`;
    await pair.inStep();
    return pair;
  }

  // crash kills the primary: what the replica has not got is lost. It returns when that happened.
  async crash() {
    const old = this.primary;
    old.child.kill("SIGKILL");
    const at = Date.now();
    await old.exited;
    await ask(this.replica, "REPLICAOF", "NO", "ONE");
    this.#lead(this.replica);
    this.replica = await this.#server(this.primary, old.port);
    await this.inStep();
    return at;
  }

  // handOver makes the replica the primary when it has everything.
  async handOver() {
    await ask(this.primary, "FAILOVER");
    await settled("the replica becomes the primary", async () => (await role(this.replica)) === "master");
    [this.primary, this.replica] = [this.replica, this.primary];
    this.#lead(this.primary);
    await this.inStep();
  }

  // inStep waits until the replica follows.
  async inStep() {
    const info = () => ask(this.replica, "INFO", "replication").catch(() => "");
    await settled("the replica follows", async () => /master_link_status:up/.test(await info()));
  }

  async stop() {
    this.#front.close();
    this.#links.forEach((link) => link.destroy());
    for (const { child, exited } of [this.primary, this.replica]) {
      child.kill("SIGKILL");
      await exited;
    }
    await rm(this.dir, { recursive: true, force: true });
  }

  #lead(server) {
    this.primary = server;
    this.#links.forEach((link) => link.destroy());
  }

  async #server(primary, port) {
    port ??= await freePort();
    const args = ["--bind", "127.0.0.1", "--port", port, "--dir", this.dir, "--dbfilename", `${port}.rdb`, "--save", "", "--repl-diskless-sync-delay", "0"];
    if (primary) args.push("--replicaof", `127.0.0.1 ${primary.port}`);
    const child = launch("redis-server", args.map(String), { stdio: "ignore" });
    const server = { port, child, exited: once(child, "exit") };
    const answer = () => ask(server, "PING").catch(() => "");
    await settled("redis-server starts", async () => /PONG|LOADING|MASTERDOWN/.test(await answer()));
    return server;
  }

  #carry(client) {
    const server = connect(this.primary.port, "127.0.0.1");
    this.#links.add(client);
    for (const [one, other] of [[client, server], [server, client]]) {
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => (other.destroy(), this.#links.delete(client)));
    }
  }
}

async function ask(server, ...command) {
  const { stdout } = await run("redis-cli", ["-p", String(server.port), ...command]);
  return stdout;
}

async function role(server) {
  return (await ask(server, "ROLE")).split("\n")[0];
}
