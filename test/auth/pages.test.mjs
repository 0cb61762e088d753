// The JavaScript of the pages runs as it stands there, but for the addresses. A block that quotes a file is held against
// that file by docs_test.go; every other one has to have its run here.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { event } from "../js/support/client.mjs";
import { expired, mint, secret } from "../js/support/token.mjs";
import { soon } from "./support/client.mjs";
import { adminKey, call, page, startServer } from "./support/server.mjs";

const { io } = createRequire(new URL("../js/package.json", import.meta.url))("socket.io-client");
const WebSocket = createRequire(new URL("../js/package.json", import.meta.url))("ws");
const root = new URL("../../", import.meta.url);
const callbackSecret = "a secret of the callback, longer than thirty-two bytes";
const sensor = { name: "sensor-7", hash: "$2a$10$Cl7uFRi9FfFUXVBd1rGhZ.WBvBeMoGImo/GOHuSpsZdj0jTI/yU4." }; // its password is password

// blocks gives the JavaScript of all pages that quotes no file.
function blocks() {
  const pages = ["README.md", ...readdirSync(new URL("docs/", root)).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
  const fenced = /^(<!-- (?:part of )?\S+ -->\n)?```js\n([\s\S]*?)^```$/gm;
  return pages.flatMap((file) =>
    [...readFileSync(new URL(file, root), "utf8").matchAll(fenced)].filter(([, from]) => !from).map(([, , text]) => ({ file, text })),
  );
}

// block finds the one block of a page that has this in it.
function block(file, has) {
  const found = blocks().filter((one) => one.file === file && one.text.includes(has));
  assert.equal(found.length, 1, `${file} has ${found.length} blocks with ${has}`);
  return found[0];
}

// run runs a block as a module would, with what its page says that is there, and gives what it declares.
function run({ text }, given) {
  const body = text.replace(/^import .*\n/gm, "").replace(/^export /gm, "");
  const declared = [...body.matchAll(/^(?:const|let|function) \{?\s*(\w+)/gm)].map(([, name]) => name);
  const Block = Object.getPrototypeOf(async () => {}).constructor;
  return new Block(...Object.keys(given), `${body}\nreturn { ${declared.join(", ")} };`)(...Object.values(given));
}

// world is what a block finds around it: the addresses of the pages lead to the target.
function world(t, target, { headers = {}, url = target.url, ...more } = {}) {
  const there = (address) => address.replace(/^https?:\/\/(localhost:\d+|rt\.example\.com)|^(?=\/)/, url);
  const lines = [];
  const sockets = [];
  t.after(() => sockets.forEach(({ io }) => Object.values(io.nsps).forEach((socket) => socket.disconnect())));
  return {
    lines,
    given: {
      io: (address, options = {}) => {
        const socket = io(there(address), { forceNew: true, reconnectionDelay: 10, ...options, extraHeaders: { ...options.extraHeaders, ...headers } });
        sockets.push(socket);
        return socket;
      },
      fetch: (address, options = {}) => fetch(there(address), { ...options, headers: { ...options.headers, ...headers } }),
      WebSocket: class extends WebSocket {
        constructor(address, protocols) {
          super(there(address.replace("ws:", "http:")).replace("http:", "ws:"), protocols);
          t.after(() => this.close());
        }
      },
      console: { log: (...words) => lines.push(words.join(" ")) },
      token: async () => mint("ada"),
      ...more,
    },
  };
}

const connected = (socket) => event(socket, "connect", { failure: "connect_error" });
const auth = "docs/authentication.md";
const base64url = (text) => Buffer.from(text).toString("base64url");
const soonIn = (seconds) => Math.floor(Date.now() / 1000) + seconds;

// What has to hold when a block has run, by page and a part of the block that no other one has.
const runs = [
  ["README.md", "/demo/login", async (t, target) => {
    const { lines, given } = world(t, target);
    const { ok, history } = await run(block("README.md", "/demo/login"), given);
    assert.ok(ok && history === undefined, "the block declares what it takes apart");
    await soon("a line of the chat", () => lines.includes("Ada: Hello"));
  }],
  [auth, "const token = async", async (t, target) => {
    const { given } = world(t, target);
    delete given.token;
    const { token } = await run(block(auth, "const token = async"), given);
    assert.equal(JSON.parse(Buffer.from((await token()).split(".")[1], "base64url")).name, "Ada");
  }],
  ...[
    [`\n  auth: (send) => token().then((value) => send({ token: value })),\n});\n`, { exactly: true }],
    ["{ auth: { token: await token() } }"],
    ["console.log(err.message, err.data?.code)"],
    ["auth: (send) => ticket()"],
    ["query: { ticket: await ticket() }", { ticket: true }],
    ["transports: [\"websocket\"],\n  extraHeaders"],
    ["base64url.bearer.authorization.gatehouse"],
    ["protocols: [\"chat.v1\", await token()]"],
    ["query: { token: await token() }"],
  ].map(([has, { exactly, ticket } = {}]) => [auth, has, async (t, target) => {
    const { given } = world(t, target);
    if (ticket) {
      given.ticket = (await run(block(auth, "const ticket = async"), given)).ticket;
    }
    const same = blocks().filter((one) => one.file === auth && (exactly ? one.text.split("\n", 2)[0] + has === one.text : one.text.includes(has)));
    assert.ok(same.length > 0, has);
    for (const one of same) {
      await connected((await run(one, given)).socket);
    }
  }, exactly]),
  [auth, "header-${header}", async (t, target) => {
    const { lines, given } = world(t, target, { base64url });
    await run(block(auth, "header-${header}"), given);
    await soon("the reply", () => lines.includes("let in"));
  }],
  [auth, "/auth/csrf", async (t, target) => {
    const { given } = world(t, target, { headers: { Cookie: `__Host-session=${mint("ada")}`, Origin: page } });
    await connected((await run(block(auth, "/auth/csrf"), given)).socket);
  }],
  [auth, "sensor-7:password", async (t, target) => {
    const { given } = world(t, target, { headers: { "X-Forwarded-Proto": "https" } });
    await connected((await run(block(auth, "sensor-7:password"), given)).socket);
  }],
  [auth, "client.pem", async (t, target) => {
    // tls.test.mjs signs in with a certificate; here, that the options have the names that the client knows.
    const read = [];
    const options = {};
    const io = (_address, given) => Object.assign(options, given);
    await run(block(auth, "client.pem"), { ...world(t, target).given, io, readFileSync: (name) => read.push(name) && name });
    assert.deepEqual(options, { key: "client.key", cert: "client.pem", ca: "ca.pem" });
    assert.deepEqual(read, ["client.key", "client.pem", "ca.pem"]);
  }],
  [auth, 'io("http://localhost:3000/chat");', async (t) => {
    const open = await startServer({ auth: { namespaces: [{ name: "/chat", ways: ["token", "anonymous"] }] } });
    t.after(() => open.stop());
    await connected((await run(block(auth, 'io("http://localhost:3000/chat");'), world(t, open).given)).socket);
  }],
  [auth, "fromGatehouse", async (t, target) => {
    const { createHmac, timingSafeEqual } = await import("node:crypto");
    const { fromGatehouse } = await run(block(auth, "fromGatehouse"), { ...world(t, target).given, createHmac, timingSafeEqual, Buffer });
    const asked = [];
    const backEnd = createServer(async (request, response) => {
      const body = (await request.toArray()).join("");
      asked.push(fromGatehouse(request.headers, body, callbackSecret), fromGatehouse(request.headers, `${body} `, callbackSecret));
      response.setHeader("content-type", "application/json").end(JSON.stringify({ subject: "ada" }));
    });
    backEnd.listen(0, "127.0.0.1");
    await once(backEnd, "listening");
    const asking = await startServer({ callback: { url: `http://127.0.0.1:${backEnd.address().port}`, secret: callbackSecret } });
    t.after(async () => {
      await asking.stop();
      backEnd.closeAllConnections();
      backEnd.close();
    });
    await connected(world(t, asking).given.io("/chat", { auth: { token: "opaque" } }));
    assert.deepEqual(asked, [true, false]);
  }],
  [auth, "auth:refresh", async (t, target) => {
    const tokens = [mint("eve", { exp: soonIn(4) }), mint("bob")]; // the notice comes when three quarters of it are over
    const { lines, given } = world(t, target, { token: async () => tokens.shift() });
    await run(block(auth, "auth:refresh"), given);
    await soon("the refusal of another user's token", () => lines.some((line) => line.startsWith("forbidden ")));
    const body = { subject: "eve", reason: "the end" };
    await call(target, "/api/v1/revocations", { body, headers: { authorization: `Bearer ${adminKey}` } });
    await soon("the reason", () => lines.includes("Signed out: the end"));
  }],
  [auth, "socket.io.opts.extraHeaders", async (t, target) => {
    let asked = 0;
    const { given } = world(t, target, { token: async () => (asked++, mint("ada")) });
    const { socket } = await run(block(auth, "socket.io.opts.extraHeaders"), given);
    await connected(socket);
    const before = socket.io.opts.extraHeaders;
    socket.io.engine.close();
    await soon("new headers", () => asked === 2 && socket.io.opts.extraHeaders !== before);
    await soon("the way back", () => socket.connected);
  }],
  [auth, "let renewed", async (t, target) => {
    const { lines, given } = world(t, target);
    const tokens = [expired("ada"), mint("ada")];
    const socket = given.io("/chat", { auth: (send) => send({ token: tokens.shift() }), autoConnect: false });
    const other = socket.io.socket("/", { auth: { token: mint("ada") } }); // a connection that lives on while /chat is refused
    await connected(other.connect());
    await run(block(auth, "let renewed"), { ...given, socket });
    socket.connect();
    await soon("the way in", () => socket.connected);
    assert.deepEqual(lines, []);
  }],
  [auth, "expiresAt) socket.connect()", async (t, target) => {
    const { given } = world(t, target);
    const tokens = [mint("ada", { exp: soonIn(2) }), mint("ada")];
    const socket = given.io("/chat", { auth: (send) => send({ token: tokens.shift() }) });
    await connected(socket);
    await connected(socket.io.socket("/", { auth: { token: mint("ada") } }));
    const left = event(socket, "disconnect");
    await run(block(auth, "expiresAt) socket.connect()"), { ...given, socket, expiresAt: 0 });
    assert.equal((await left)[0], "io server disconnect");
    await soon("the way back", () => socket.connected);
  }],
  ["docs/chat.md", "since: last", async (t, target) => {
    const { lines, given } = world(t, target, { token: async () => mint("mia") });
    const { socket } = await run(block("docs/chat.md", "since: last"), given);
    await connected(socket);
    const say = (text) => socket.emitWithAck("message:send", { room: "lobby", text, nonce: text });
    await soon("the first line", () => lines.includes("mia: one") || (socket.connected && say("one") && false));
    const before = lines.length;
    socket.io.engine.close();
    await soon("the way back", () => socket.connected);
    await soon("the second line", () => lines.includes("mia: two") || (socket.connected && say("two") && false));
    assert.equal(lines.filter((line) => line === "mia: one").length, 1, `nothing comes twice: ${lines}`);
  }],
  ["docs/recovery.md", "socket.recovered", async (t) => {
    const keeping = await startServer({ recovery: { for: "2m" } });
    t.after(() => keeping.stop());
    const { given } = world(t, keeping);
    const socket = given.io("/chat", { auth: { token: mint("ada") } });
    const asked = [];
    socket.onAnyOutgoing((name) => asked.push(name));
    await run(block("docs/recovery.md", "socket.recovered"), { ...given, socket, room: "lobby" });
    await connected(socket);
    await socket.emitWithAck("info", {}); // the join before it is done
    const back = event(socket, "connect", { failure: "connect_error" });
    socket.io.engine.close();
    await back;
    assert.ok(socket.recovered);
    assert.deepEqual(asked, ["room:join", "info"], "who is recovered joins nothing again");
  }],
];

describe("JavaScript of the pages", () => {
  let target;
  before(async () => (target = await startServer({ dev: true, basic: { users: [sensor] }, jwt: { hmac_secret: secret } })));
  after(() => target.stop());

  for (const [file, has, hold] of runs) {
    test(`${file}: ${has.trim().split("\n").at(-1).trim()}`, (t) => hold(t, target));
  }

  test("every block has its run", () => {
    const without = blocks().filter(({ file, text }) => !runs.some(([page, has]) => page === file && text.includes(has)));
    assert.deepEqual(without, []);
  });
});
