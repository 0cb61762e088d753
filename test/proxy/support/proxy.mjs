// nginx and HAProxy, run with the samples of deploy/ as they stand: only addresses and the certificate's files are
// replaced, since a test has no port 443.
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import { patience } from "../../js/support/client.mjs";
import { freePort } from "../../js/support/port.mjs";
import { launch } from "../../js/support/process.mjs";

const sample = (name) => readFile(fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url)), "utf8");

// The proxies of the samples, by name. Each starts with the addresses of two nodes.
export const proxies = {
  nginx: (nodes) => startNginx("nginx.conf", taking(["127.0.0.1:3000", "127.0.0.1:3001"], nodes)),
  haproxy: (nodes) => startHAProxy("haproxy.cfg", taking(["127.0.0.1:3000", "127.0.0.1:3001"], nodes)),
};

// Those of the samples for a cluster, with the addresses of three nodes.
const three = ["10.0.0.1:3000", "10.0.0.2:3000", "10.0.0.3:3000"];
export const clusterProxies = {
  nginx: (nodes) => startNginx("cluster/nginx.conf", taking(three, nodes)),
  haproxy: (nodes) => startHAProxy("cluster/haproxy.cfg", taking(three, nodes)),
};

// taking pairs the addresses of a sample with those of the nodes that a test has.
const taking = (addresses, nodes) => Object.fromEntries(addresses.map((addr, i) => [addr, nodes[i]]));

async function startNginx(name, addresses) {
  const dir = await mkdtemp(join(tmpdir(), "gatehouse-nginx-"));
  const { cert, key } = await certificate(dir);
  const port = await freePort();
  const site = replaced(await sample(name), {
    ...addresses,
    "listen 443 ssl": `listen 127.0.0.1:${port} ssl`,
    "/etc/ssl/rt.example.com.pem": cert,
    "/etc/ssl/rt.example.com.key": key,
  });
  await writeFile(join(dir, "site.conf"), site);
  // What Debian's nginx.conf has around a file of conf.d, in a folder of the test's own.
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${dir}/${kind};`);
  await writeFile(
    join(dir, "nginx.conf"),
    `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/log warn; events {} http { access_log off; ${temporary.join(" ")} include ${dir}/site.conf; }`,
  );
  const child = launch("nginx", ["-c", join(dir, "nginx.conf"), "-e", join(dir, "log")], { stdio: "inherit" });
  return new Proxy(child, dir, port, cert, async () => {});
}

async function startHAProxy(name, addresses) {
  const dir = await mkdtemp(join(tmpdir(), "gatehouse-haproxy-"));
  const { cert, key } = await certificate(dir);
  const both = join(dir, "both.pem");
  await writeFile(both, (await readFile(cert, "utf8")) + (await readFile(key, "utf8")));
  const port = await freePort();
  const config = replaced(await sample(name), {
    ...addresses,
    "bind :443": `bind 127.0.0.1:${port}`,
    "/etc/haproxy/rt.example.com.pem": both,
  });
  await writeFile(join(dir, "haproxy.cfg"), config);
  await writeFile(join(dir, "test.cfg"), `global\n    stats socket ${dir}/stats\n`);
  const child = launch("haproxy", ["-db", "-f", join(dir, "haproxy.cfg"), "-f", join(dir, "test.cfg")], { stdio: ["ignore", "ignore", "inherit"] });
  return new Proxy(child, dir, port, cert, () => until("all nodes are up for HAProxy", async () => {
    const states = await ask(`${dir}/stats`, "show stat -1 4 -1\n").catch(() => ""); // the socket is not there yet
    return states.split("\n").filter((line) => line.split(",")[17] === "UP").length === Object.keys(addresses).length;
  }));
}

class Proxy {
  constructor(child, dir, port, cert, settled) {
    this.child = child;
    this.dir = dir;
    this.port = port;
    this.url = `https://127.0.0.1:${port}`;
    this.cert = cert;
    this.settled = settled; // resolves when the proxy sends to all nodes
    this.exited = once(child, "exit");
  }

  async listening() {
    await until("the proxy listens", () => reachable(this.port));
    await this.settled();
    return this;
  }

  async stop() {
    this.child.kill("SIGKILL");
    await this.exited;
    await rm(this.dir, { recursive: true, force: true });
  }
}

// replaced fails when the sample no longer has what a test has to replace.
function replaced(text, pairs) {
  return Object.entries(pairs).reduce((all, [from, to]) => {
    if (!all.includes(from)) {
      throw new Error(`the sample has no ${from}`);
    }
    return all.replaceAll(from, to);
  }, text);
}

async function certificate(dir) {
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  const names = "subjectAltName=DNS:rt.example.com,IP:127.0.0.1";
  await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=rt.example.com", "-addext", names, "-keyout", key, "-out", cert]);
  return { cert, key };
}

function reachable(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const answer = (yes) => () => {
      socket.destroy();
      resolve(yes);
    };
    socket.once("connect", answer(true)).once("error", answer(false));
  });
}

// ask sends one line to a Unix socket and resolves with the whole answer.
async function ask(path, line) {
  const socket = connect(path);
  socket.end(line);
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
  }
  return text;
}

// until resolves when something holds that another process brings about.
export async function until(what, holds) {
  const end = Date.now() + patience;
  while (!(await holds())) {
    if (Date.now() > end) {
      throw new Error(`${what}: not within ${patience} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
