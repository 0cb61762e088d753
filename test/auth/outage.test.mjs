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

  let giveUp;
  const refused = new Promise((_, reject) => (giveUp = reject));
  refused.catch(() => {}); // told below
  const sockets = Array.from({ length: clients }, (_, i) => {
    const socket = open(target, "/echo", i % 3 ? "websocket" : "upgrade", { reconnection: true, auth: { token: `user${i}` } });
    socket.on("connect_error", (error) => {
      if (!socket.active) {
        giveUp(new Error(`client ${i} stays away: ${error.message} ${JSON.stringify(error.data)}`)); // a CONNECT_ERROR
      }
    });
    return socket;
  });
  t.after(() => sockets.forEach((socket) => socket.disconnect()));

  const everyone = (what) => Promise.all(sockets.map((socket) => new Promise((resolve) => what(socket, resolve))));
  // The outage lasts until each client has lost the connection that it was held on.
  await Promise.race([refused, everyone((socket, done) => socket.io.once("close", done))]);
  assert.ok(sockets.every((socket) => !socket.connected));
  const back = everyone((socket, done) => (socket.connected ? done() : socket.once("connect", done)));
  verifier.away = false;
  await Promise.race([refused, back]);
});
