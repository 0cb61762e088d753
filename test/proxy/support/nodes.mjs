// Nodes as the documentation sets them up behind a proxy, and the clients of their users.
import { Agent } from "node:https";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { event, open, request } from "../../js/support/client.mjs";
import { startProcess } from "../../js/support/process.mjs";
import { binary } from "../../js/support/target.mjs";
import { mint, secret } from "../../js/support/token.mjs";

const config = fileURLToPath(new URL("../../../deploy/node.yaml", import.meta.url));

export function startNode(addr = "127.0.0.1:0") {
  return startProcess(binary, ["serve", "--config", config, "--addr", addr], {
    env: { GATEHOUSE_JWT_HMAC_SECRET: secret, GATEHOUSE_ECHO_ENABLED: "true", GATEHOUSE_ADMIN_KEY: "a key of the operators, for these tests only" },
  });
}

// Visitor is a client with the default backoff that counts what happens to it. Each comes from an address of its own:
// the samples keep a client with its node by that.
export class Visitor {
  constructor(proxy, number, transports) {
    this.name = `user-${number}`;
    this.address = `127.0.${1 + (number % 200)}.1`;
    const agent = new Agent({ localAddress: this.address, ca: readFileSync(proxy.cert), keepAlive: true });
    this.failures = 0; // tries that opened no connection
    this.refusals = []; // answers after which a client stays away
    this.losses = 0;
    this.socket = open(proxy, "/echo", "upgrade", {
      ...(transports ? { transports } : {}),
      agent,
      reconnection: true,
      auth: (send) => send({ token: mint(this.name) }),
      extraHeaders: { Origin: proxy.url }, // as a page of the same host
    });
    this.socket.io.on("reconnect_error", () => this.failures++);
    this.socket.on("connect_error", (err) => this.socket.active || this.refusals.push(err.data?.code ?? err.message));
    this.socket.on("disconnect", () => this.losses++);
  }

  // isIn resolves once a node has answered this client, through however many tries. A session that long-polling loses
  // when its node is back is one of them.
  async isIn() {
    for (;;) {
      if (!this.socket.connected) {
        await event(this.socket, "connect");
      }
      try {
        return await request(this.socket, "echo", this.name);
      } catch (err) {
        if (this.socket.connected) {
          throw err;
        }
      }
    }
  }
}
