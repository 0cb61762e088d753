// The real client, with each transport, and promises for what it reports.
import { io } from "socket.io-client";
import { mint } from "./token.mjs";

// How long anything may take before a test gives up on it: a bound, never a measure.
export const patience = 30_000;

// Every behaviour is tested over each of these. "upgrade" starts by polling and is used once the switch is made.
export const modes = ["polling", "websocket", "upgrade"];

const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

// open makes a client that is connecting, with a connection of its own.
export function open(target, namespace, mode, options = {}) {
  return io(target.url + namespace, {
    transports: transports[mode],
    forceNew: true,
    reconnection: false,
    timeout: patience,
    ...options,
  });
}

// connect resolves with a connected socket; over "upgrade" when the WebSocket has taken over.
// Handlers in `on` are there before the connection is.
export async function connect(t, target, namespace, mode, { user = "ada", on = {}, ...options } = {}) {
  const socket = open(target, namespace, mode, { auth: { token: mint(user) }, ...options });
  t.after(() => socket.disconnect());
  Object.entries(on).forEach(([name, handler]) => socket.on(name, handler));
  const upgraded = mode === "upgrade" ? upgrade(socket) : undefined;
  await connected(socket);
  await upgraded;
  return socket;
}

export async function connected(socket) {
  await event(socket, "connect", { failure: "connect_error" });
  return socket;
}

// upgrade resolves when the connection that a socket is opening has changed to WebSocket.
export function upgrade(socket) {
  return event(socket.io.engine, "upgrade", { failure: "close" });
}

// refusal resolves with the error of a connection that must be refused.
export async function refusal(t, target, namespace, mode, options) {
  const socket = open(target, namespace, mode, options);
  t.after(() => socket.disconnect());
  const [err] = await event(socket, "connect_error", { failure: "connect" });
  return err;
}

// event resolves with the arguments of the next event of this name that pass the filter.
export function event(emitter, name, { failure, where = () => true } = {}) {
  return new Promise((resolve, reject) => {
    const done = (settle) => {
      clearTimeout(timer);
      emitter.off(name, heard);
      if (failure) {
        emitter.off(failure, failed);
      }
      settle();
    };
    const heard = (...args) => where(...args) && done(() => resolve(args));
    const failed = (err) => done(() => reject(err instanceof Error ? err : new Error(`${failure}: ${String(err)}`)));
    const timer = setTimeout(() => done(() => reject(new Error(`no ${name} within ${patience} ms`))), patience);
    timer.unref();
    emitter.on(name, heard);
    if (failure) {
      emitter.on(failure, failed);
    }
  });
}

// gather collects what an event brings until there are count of them.
export function gather(socket, name, count) {
  const got = [];
  const all = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${got.length} of ${count} "${name}" arrived`)), patience * 4);
    socket.on(name, (...args) => {
      got.push(args.length > 1 ? args : args[0]);
      if (got.length === count) {
        clearTimeout(timer);
        resolve(got);
      }
    });
    socket.once("disconnect", (reason) => {
      clearTimeout(timer);
      reject(new Error(`disconnected (${reason}) with ${got.length} of ${count} "${name}"`));
    });
  });
  return all;
}

export const request = (socket, name, ...args) => socket.timeout(patience).emitWithAck(name, ...args);
