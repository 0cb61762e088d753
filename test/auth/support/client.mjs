// The real client, and who the server takes it for.
import { connected, open, patience, request } from "../../js/support/client.mjs";

let rooms = 0;

// enter connects with options and resolves with the socket.
export async function enter(t, target, mode, options, namespace = "/chat") {
  const socket = open(target, namespace, mode, options);
  t.after(() => socket.disconnect());
  await connected(socket);
  return socket;
}

// nameOf tells who the server takes a socket of /chat for: a room's members have their names.
export async function nameOf(socket) {
  const { members } = await request(socket, "room:join", { room: `auth-${++rooms}` });
  return members[0].user;
}

// soon resolves when something is true that the server brings about.
export async function soon(what, holds) {
  const end = Date.now() + patience;
  while (!holds()) {
    if (Date.now() > end) {
      throw new Error(`${what} did not happen within ${patience} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
