import { connect } from "../connect.ts";
import { credentials } from "../credentials.ts";
import { type Try, method } from "../method.ts";
import type { Wire } from "../wire.ts";

const here = location.origin;

export const bearer = method({
  id: "bearer",
  title: "Authorization: Bearer",
  standard: true,
  where: "Node, Deno, native apps; browsers on long-polling only",
  lead: "The usual header, with the handshake. A browser's WebSocket can set none, so in a page it works as long as the handshake is a polling request.",
  code: `const socket = io("/lab/bearer", {
  extraHeaders: { Authorization: \`Bearer \${token}\` },
});`,
  danger:
    "With transports: [\"websocket\"] a browser leaves the header out and says nothing. And the header is fixed when the client is made: after a reconnect it is the old token.",
  config: `auth:
  methods: [bearer]`,
  tries: [
    {
      id: "connect",
      label: "Connect by long-polling",
      expect: "admitted",
      why: "The polling request carried the header. The upgrade to WebSocket may follow; the identity stays.",
      run: (wire) => withHeader(wire, ["polling"]),
    },
    {
      id: "websocket",
      label: "By WebSocket",
      expect: "refused",
      why: "The browser left the header out: no credential came. A client that is no browser gets in like this, see the command.",
      run: (wire) => withHeader(wire, ["websocket"]),
    },
  ],
  commands: [
    {
      label: "The whole conversation with curl",
      text: `URL=${here}
TOKEN=$(curl -s $URL/demo/login -H 'Content-Type: application/json' -d '{"name":"Ada"}' | cut -d'"' -f4)
POLL="$URL/socket.io/?EIO=4&transport=polling"
SID=$(curl -s "$POLL" -H "Authorization: Bearer $TOKEN" | cut -d'"' -f4)
curl -s "$POLL&sid=$SID" -H 'Content-Type: text/plain' -d '40/lab/bearer,'
curl -s "$POLL&sid=$SID"`,
    },
    {
      label: "By WebSocket with Node, after npm install socket.io-client",
      text: `node --input-type=module -e '
import { io } from "socket.io-client";
const body = JSON.stringify({ name: "Ada" });
const login = await fetch("${here}/demo/login", { method: "POST", headers: { "Content-Type": "application/json" }, body });
const { token } = await login.json();
const extraHeaders = { Authorization: "Bearer " + token };
const socket = io("${here}/lab/bearer", { transports: ["websocket"], extraHeaders });
socket.on("connect_error", (err) => console.log(err.data));
console.log(await socket.emitWithAck("whoami"));
socket.disconnect();'`,
    },
  ],
});

async function withHeader(wire: Wire, transports: string[]) {
  const { token } = await credentials(wire);
  const header = `Bearer ${token}`;
  const polling = transports.includes("polling");
  const headers = polling ? [`Authorization: ${header}`] : [];
  if (!polling) {
    wire.note("extraHeaders has Authorization; the browser's WebSocket cannot send it.");
  }
  return connect(wire, { namespace: "/lab/bearer", headers, options: { transports, extraHeaders: { Authorization: header } } });
}

const secure = location.protocol === "https:";

const password: Try = {
  id: "connect",
  label: secure ? "Connect with lab:lab" : "Send a password over http",
  expect: secure ? "admitted" : "refused",
  why: secure
    ? "The connection is encrypted, and the password fits the hash that the server keeps."
    : "This page came over http, and so would the password. The server does not even look at it.",
  run: (wire) => withPassword(wire, "lab"),
};

const wrong: Try = {
  id: "wrong",
  label: "With a wrong password",
  expect: "refused",
  why: "The answer, and the time that it takes, is the same for a wrong password and for a user who does not exist. Further tries have to wait.",
  run: (wire) => withPassword(wire, "wrong"),
};

export const basic = method({
  id: "basic",
  title: "Authorization: Basic",
  where: "Node, native apps; browsers on long-polling only",
  lead: "A user name and a password with the handshake, for a handful of machines. RFC 6455 names it; wss://user:password@… is the same thing, and browsers are giving it up.",
  code: `const socket = io("/lab/basic", {
  extraHeaders: { Authorization: "Basic " + btoa("lab:lab") },
});`,
  danger:
    "The password itself travels with every handshake: TLS only. Each one costs a slow hash (bcrypt or argon2id), so failures are throttled by user and address.",
  config: `auth:
  methods: [token, basic]
basic:
  users:
    - name: sensor-7
      hash: "$2y$12$…"   # htpasswd -nBC 12 sensor-7`,
  tries: secure ? [password, wrong] : [password],
});

async function withPassword(wire: Wire, secret: string) {
  const encoded = btoa(`lab:${secret}`);
  wire.mask.hide("name and password", encoded);
  const header = `Basic ${encoded}`;
  return connect(wire, {
    namespace: "/lab/basic",
    headers: [`Authorization: ${header}`],
    options: { transports: ["polling"], extraHeaders: { Authorization: header } },
  });
}
