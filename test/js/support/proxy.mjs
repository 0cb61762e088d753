// A TCP proxy between clients and a server that breaks connections as networks do.
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  #links = new Set();
  #server = createServer((client) => this.#accept(client));

  static async before(target) {
    const proxy = new Proxy();
    [proxy.host, proxy.port] = target.addr.split(":");
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  // links are the connections that work.
  get links() {
    return [...this.#links].filter((link) => !link.dead);
  }

  cut() {
    this.links.forEach((link) => link.cut());
  }

  // silence has no byte pass the connections that there are any more; neither side is told. New ones work.
  silence() {
    this.links.forEach((link) => link.silence());
  }

  // break cuts or silences until the client has noticed: between two polls there may be no connection.
  async break(how, noticed) {
    let over = false;
    noticed.then(() => (over = true));
    while (!over) {
      this[how]();
      await new Promise((soon) => setTimeout(soon, 5));
    }
  }

  async stop() {
    this.#server.close();
    this.#links.forEach((link) => link.cut());
  }

  #accept(client) {
    const link = new Link(client, connect(Number(this.port), this.host));
    this.#links.add(link);
    client.once("close", () => this.#links.delete(link));
  }
}

// Link is one connection: two streams of bytes.
class Link {
  constructor(client, server) {
    Object.assign(this, { client, server, dead: false, late: 0 });
    this.#carry(client, server);
    this.#carry(server, client);
  }

  cut() {
    this.dead = true;
    this.client.destroy();
    this.server.destroy();
  }

  silence() {
    this.dead = true;
    this.client.pause();
    this.server.pause();
  }

  #carry(from, to) {
    let line = Promise.resolve();
    from.setNoDelay(true);
    from.on("error", () => {});
    from.on("data", (bytes) => {
      const late = this.late;
      line = line.then(async () => {
        if (late > 0) {
          await new Promise((done) => setTimeout(done, late));
        }
        if (!this.dead) {
          to.write(bytes);
        }
      });
    });
    from.on("close", () => {
      line = line.then(() => {
        if (!this.dead) {
          this.cut();
        }
      });
    });
  }
}
