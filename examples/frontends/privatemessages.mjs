// The back end of ../privatemessages/public: people, who come back with the secret of their session.
import { randomUUID } from "node:crypto";
import { refuse, serve } from "./hook.mjs";

const most = 1000; // people
const people = new Map(); // by secret
const tabs = new Map(); // people by socket

const shown = ({ id, name }) => ({ id, name });
const here = (person) => [...tabs.values()].includes(person);

function enter({ session, name } = {}) {
  if (people.has(session)) return people.get(session);
  const wanted = typeof name === "string" ? name.trim() : "";
  if (!wanted || wanted.length > 32 || people.size >= most) return undefined;
  const person = { id: randomUUID(), name: wanted, secret: randomUUID() };
  people.set(person.secret, person);
  return person;
}

serve(({ type, socket, event, args, auth }) => {
  if (type === "connect") {
    const me = enter(auth ?? {});
    if (!me) return refuse("A name has 1 to 32 characters.");
    const first = !here(me);
    tabs.set(socket, me);
    const list = [...people.values()].map((person) => ({ ...shown(person), connected: here(person) }));
    const emit = [
      { socket, event: "session", args: [{ session: me.secret, person: shown(me) }] },
      { socket, event: "people", args: [list] },
    ];
    if (first) emit.push({ to: "everybody", except: [socket], event: "person connected", args: [shown(me)] });
    return { join: [me.id], emit };
  }
  const me = tabs.get(socket);
  if (type === "disconnect") {
    tabs.delete(socket);
    return me && !here(me) && { emit: [{ to: "everybody", event: "person disconnected", args: [me.id] }] };
  }
  if (event !== "private message") return;
  const { to, text } = args[0] ?? {};
  const known = [...people.values()].some(({ id }) => id === to);
  if (!known || typeof text !== "string" || !text || text.length > 2000) return refuse("Say something of at most 2000 characters to somebody who is known.");
  const message = { from: me.id, to, text };
  return { emit: [...new Set([to, me.id])].map((room) => ({ to: room, except: [socket], event, args: [message] })) };
});
