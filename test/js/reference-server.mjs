// Node's own socket.io server with the namespaces of the design. It is the oracle of the differential test, and any
// suite can be run against it: TARGET=reference node --test chat.test.mjs
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";
import parser from "socket.io-msgpack-parser";
import { mountChat } from "./reference/chat.mjs";
import { mountEcho, mountGreeter, mountGuarded, mountLab } from "./reference/lab.mjs";
import { admit } from "./reference/token.mjs";

const { values } = parseArgs({ options: { addr: { type: "string", default: "127.0.0.1:3000" } } });
const secret = process.env.REFERENCE_JWT_SECRET;
if (!secret) {
  console.error("REFERENCE_JWT_SECRET is missing");
  process.exit(1);
}

const http = createServer(answer);
const io = new Server(http, {
  cors: { origin: true, credentials: true },
  pingInterval: Number(process.env.REFERENCE_PING_INTERVAL_MS ?? 25_000),
  pingTimeout: Number(process.env.REFERENCE_PING_TIMEOUT_MS ?? 20_000),
  ...(process.env.REFERENCE_RECOVERY_MS && {
    connectionStateRecovery: { maxDisconnectionDuration: Number(process.env.REFERENCE_RECOVERY_MS), skipMiddlewares: false },
  }),
  ...(process.env.REFERENCE_PARSER === "msgpack" && { parser }),
});

const namespaces = { "/chat": mountChat, "/echo": mountEcho, "/lab": mountLab, "/greeter": mountGreeter, "/guarded": mountGuarded };

for (const [name, mount] of Object.entries(namespaces)) {
  mount(io.of(name).use(admit(secret)));
}


// answer serves what is not Socket.IO: the development login.
async function answer(req, res) {
  if (req.method !== "POST" || req.url !== "/demo/login") {
    res.writeHead(404).end();
    return;
  }
  const { name } = JSON.parse(Buffer.concat(await req.toArray()).toString());
  res.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify({ token: token(name) }));
}

function token(name) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: name, name, iat: now, exp: now + 3600 })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

const [host, port] = values.addr.split(":");
http.listen(Number(port), host, () => {
  console.error(JSON.stringify({ msg: "listening", addr: `${http.address().address}:${http.address().port}` }));
});
