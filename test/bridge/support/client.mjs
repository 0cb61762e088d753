// The real client, with each transport, and promises for what it reports.
import { io } from "socket.io-client";

// How long anything may take before a test gives up on it: a bound, never a measure.
export const patience = 30_000;

export const modes = ["polling", "websocket", "upgrade"];
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

// open makes a client that is connecting, with a connection of its own.
export function open(t, app, mode, namespace = "/", options = {}) {
  const socket = io(app.url + namespace, { transports: transports[mode], forceNew: true, reconnection: false, timeout: patience, ...options });
  t.after(() => socket.disconnect());
  return socket;
}

// connect resolves with a connected client; over "upgrade" when the WebSocket has taken over.
export async function connect(t, app, mode, namespace, options) {
  const socket = open(t, app, mode, namespace, options);
  const upgraded = mode === "upgrade" ? event(socket.io.engine, "upgrade") : undefined;
  await event(socket, "connect", "connect_error");
  await upgraded;
  return socket;
}

// event resolves with the first argument of the next event of this name.
export function event(emitter, name, failure) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within ${patience} ms`)), patience);
    timer.unref();
    const settled = (settle) => (value) => {
      clearTimeout(timer);
      settle(value);
    };
    emitter.once(name, settled(resolve));
    if (failure) {
      emitter.once(failure, settled((err) => reject(err)));
    }
  });
}

// ask emits and resolves with the arguments of the acknowledgement.
export function ask(socket, ...args) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${args[0]} was not acknowledged`)), patience);
    timer.unref();
    socket.emit(...args, (...answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

// gather resolves with the first arguments of the next count events of this name.
export function gather(socket, name, count) {
  const got = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${got.length} of ${count} "${name}" arrived`)), patience);
    timer.unref();
    socket.on(name, function heard(value) {
      got.push(value);
      if (got.length === count) {
        clearTimeout(timer);
        socket.off(name, heard);
        resolve(got);
      }
    });
  });
}

export const upTo = (count) => Array.from({ length: count }, (_, i) => i);
