// A back end that verifies credentials goes away and comes back: no default client is lost meanwhile.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { open } from "../js/support/client.mjs";
import { startServer } from "./support/server.mjs";

const clients = 300;

// backEnd answers callbacks, and ends their connections without an answer while it is away.
async function backEnd(t) {
  const state = { away: true };
  const server = createServer(async (request, response) => {
    if (state.away) {
      request.socket.destroy();
      return;
    }
    let body = "";
    for await (const part of request) {
      body += part;
    }
    const { credential } = JSON.parse(body);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ subject: credential }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  state.url = `http://127.0.0.1:${server.address().port}/`;
  return state;
}

test("after an outage of the back end all default clients are in by themselves", { timeout: 150_000 }, async (t) => {
  const verifier = await backEnd(t);
  const target = await startServer({
    jwt: {},
    cookie: {},
    basic: {},
    auth: { ways: ["token"] },
    subprotocol: {},
    callback: { url: verifier.url, secret: "a secret for these tests only, longer than 32" },
    handshake: { timeout: "4s", admit_timeout: "3s" },
  });
  t.after(() => target.stop());

  let refused = 0;
  const sockets = Array.from({ length: clients }, (_, i) => {
    const socket = open(target, "/echo", i % 3 ? "websocket" : "upgrade", { reconnection: true, auth: { token: `user${i}` } });
    socket.on("connect_error", () => {
      refused += socket.active ? 0 : 1; // a CONNECT_ERROR: this client stays away
    });
    return socket;
  });
  t.after(() => sockets.forEach((socket) => socket.disconnect()));

  const everyone = (what) => Promise.all(sockets.map((socket) => new Promise((resolve) => what(socket, resolve))));
  // The outage lasts until each client has lost the connection that it was held on.
  await everyone((socket, done) => socket.io.once("close", done));
  assert.ok(sockets.every((socket) => !socket.connected));
  const back = everyone((socket, done) => (socket.connected ? done() : socket.once("connect", done)));
  verifier.away = false;
  await back;
  assert.equal(refused, 0);
});
