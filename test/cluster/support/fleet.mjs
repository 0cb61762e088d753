// Three nodes, and a proxy that brings each request to the next of them, whatever session it belongs to.
import { createServer, request as send } from "node:http";
import { connect as dial } from "node:net";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { freePort } from "../../js/support/port.mjs";
import { startLab } from "../../js/support/target.mjs";

const secret = "the secret of a fleet in a test, long enough";

async function nodeEnv() {
  return {
    GATEHOUSE_REDIS_URL: `redis://${process.env.TEST_REDIS_ADDR}`,
    GATEHOUSE_CLUSTER_MODE: "streams",
    GATEHOUSE_CLUSTER_ADDR: `127.0.0.1:${await freePort()}`,
    GATEHOUSE_CLUSTER_SECRET: secret,
    GATEHOUSE_CLUSTER_PATIENCE: "60s", // on a busy machine nobody should go on alone
  };
}

export async function startNode(env = {}, ping = undefined) {
  return startLab({ env: { ...(await nodeEnv()), ...env }, ...(ping && { ping }) });
}

// until waits for something to become true, for so many milliseconds at most; who asks finds out whether it has.
export async function until(holds, limit) {
  for (const end = Date.now() + limit; !(await holds()) && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

// roundRobin serves on a port of its own. targets are addresses and may change; links are the connections of clients.
export async function roundRobin(targets) {
  let turn = 0;
  const next = () => {
    const [host, port] = targets[turn++ % targets.length].split(":");
    return { host, port: Number(port) };
  };
  const server = createServer((req, res) => {
    const onward = send({ ...next(), method: req.method, path: req.url, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    res.on("close", () => onward.destroy());
    req.pipe(onward);
  });
  server.on("upgrade", (req, socket, head) => {
    const target = next();
    const onward = dial(target.port, target.host, () => {
      const lines = [`${req.method} ${req.url} HTTP/1.1`];
      for (let i = 0; i < req.rawHeaders.length; i += 2) lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
      onward.write(`${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const [one, other] of [[socket, onward], [onward, socket]]) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  const links = new Set();
  server.on("connection", (socket) => {
    links.add(socket);
    socket.on("close", () => links.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  return {
    url: `http://127.0.0.1:${port}`,
    targets,
    get links() {
      return [...links];
    },
    async stop() {
      links.forEach((socket) => socket.destroy());
      server.closeAllConnections();
      server.close();
    },
  };
}

// startFleet starts nodes that know each other, and the proxy before them.
export async function startFleet(count = 3) {
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode()));
  await Promise.all(nodes.map((node) => known(node, count - 1)));
  const proxy = await roundRobin(nodes.map((node) => node.addr));
  return {
    nodes,
    proxy,
    url: proxy.url,
    async stop() {
      await proxy.stop();
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

// startAlone starts nodes that know each other and nobody else on the same Redis. start gets the environment, and the address to
// listen at when the node is to take the place of another.
export async function startAlone(start, count = 3) {
  const own = randomBytes(6).toString("hex");
  const names = { GATEHOUSE_CLUSTER_KEY: `fleet-${own}`, GATEHOUSE_REDIS_PREFIX: `gatehouse-${own}:` };
  const one = async (addr) => start({ ...(await nodeEnv()), ...names }, addr);
  const nodes = await Promise.all(Array.from({ length: count }, () => one()));
  await Promise.all(nodes.map((node) => known(node, count - 1)));
  return {
    nodes,
    // restart ends a node as an update does, starts another in its place, and gives how the old one ended.
    async restart(i) {
      const end = await nodes[i].terminate();
      const others = nodes.filter((_, k) => k !== i);
      const before = others.map(met);
      nodes[i] = await one(nodes[i].addr);
      await Promise.all([known(nodes[i], others.length), ...others.map((node, k) => known(node, before[k] + 1))]);
      return end;
    },
  };
}

// startNodes starts a fleet of its own among others on the same Redis: three nodes and the proxy before them, which are used
// like one server.
export async function startNodes(start, count = 3) {
  const { nodes } = await startAlone(start, count);
  const proxy = await roundRobin(nodes.map((node) => node.addr));
  const all = (what) => Promise.all(nodes.map((node) => node[what]()));
  return {
    url: proxy.url,
    addr: new URL(proxy.url).host,
    get alive() {
      return nodes.every((node) => node.alive);
    },
    get log() {
      return nodes.flatMap((node) => node.log);
    },
    get child() {
      return nodes[0].child;
    },
    signal: (name) => nodes.forEach((node) => node.signal(name)),
    async terminate() {
      const ends = await all("terminate");
      await proxy.stop();
      return ends[0];
    },
    async stop() {
      await proxy.stop();
      await all("stop");
    },
  };
}

const met = (node) => node.log.filter((line) => line.includes("another node is there")).length;

// startAnother starts one more node, which all others know when it resolves.
export async function startAnother(nodes, env) {
  const before = nodes.map(met);
  const node = await startNode(env);
  await Promise.all([known(node, nodes.length), ...nodes.map((other, i) => known(other, before[i] + 1))]);
  return node;
}

// known waits until a node has logged that it has met so many others.
async function known(node, others) {
  while (met(node) < others) {
    if (!node.alive) throw new Error(`a node has ended:\n${node.log.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
