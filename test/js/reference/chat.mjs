// The design's chat on Node's socket.io: the judge of what Gatehouse's chat must look like to a client.
export function mountChat(nsp) {
  const rooms = new Map();
  nsp.on("connection", (socket) => {
    const chat = new Chat(nsp, rooms, socket);
    socket.on("room:join", (payload, ack) => ack?.(chat.join(payload)));
    socket.on("room:leave", (payload, ack) => ack?.(chat.leave(payload)));
    socket.on("message:send", (payload, ack) => ack?.(chat.send(payload)));
    socket.on("typing", (payload) => chat.typing(payload));
    socket.on("disconnecting", () => chat.left());
  });
}

const refused = (code, message) => ({ ok: false, error: { code, message } });
const nameOf = (payload) => (typeof payload?.room === "string" && payload.room.length > 0 ? payload.room : undefined);

class Chat {
  constructor(nsp, rooms, socket) {
    this.nsp = nsp;
    this.rooms = rooms;
    this.socket = socket;
    this.user = socket.data.user;
  }

  join(payload) {
    const name = nameOf(payload);
    if (!name) {
      return refused("bad_request", "room is missing");
    }
    const room = this.#room(name);
    const tabs = room.users.get(this.user.sub)?.tabs ?? new Set();
    if (tabs.size === 0) {
      room.users.set(this.user.sub, { name: this.user.name, tabs });
      this.socket.to(name).emit("member:joined", { room: name, user: this.user.sub, name: this.user.name });
    }
    tabs.add(this.socket.id);
    this.socket.join(name);
    return { ok: true, count: room.users.size, members: members(room), ...since(room.history, payload.since) };
  }

  leave(payload) {
    const name = nameOf(payload);
    if (!this.socket.rooms.has(name)) {
      return refused("forbidden", "you are not in this room");
    }
    this.socket.leave(name);
    this.#gone(name);
    return { ok: true };
  }

  send(payload) {
    const name = nameOf(payload);
    if (!this.socket.rooms.has(name)) {
      return refused("not_in_room", "join the room first");
    }
    const room = this.#room(name);
    const key = payload.nonce === undefined ? undefined : JSON.stringify([this.user.sub, payload.nonce]);
    if (room.answered.has(key)) {
      return room.answered.get(key);
    }
    const message = this.#message(room, name, payload);
    this.nsp.to(name).emit("message", message);
    const answer = { ok: true, id: message.id, at: message.at };
    if (key) {
      room.answered.set(key, answer);
    }
    return answer;
  }

  typing(payload) {
    const name = nameOf(payload);
    if (this.socket.rooms.has(name)) {
      this.socket.to(name).volatile.emit("typing", { room: name, user: this.user.sub, on: payload.on === true });
    }
  }

  left() {
    for (const name of this.socket.rooms) {
      if (this.rooms.has(name)) {
        this.#gone(name);
      }
    }
  }

  #gone(name) {
    const users = this.#room(name).users;
    const tabs = users.get(this.user.sub).tabs;
    tabs.delete(this.socket.id);
    if (tabs.size === 0) {
      users.delete(this.user.sub);
      this.socket.to(name).emit("member:left", { room: name, user: this.user.sub, name: this.user.name });
    }
  }

  #message(room, name, { text, nonce }) {
    const message = { id: String(++room.last), room: name, from: this.user.sub, name: this.user.name, text, at: Date.now() };
    room.history.push(message);
    return nonce === undefined ? message : Object.assign(message, { nonce });
  }

  #room(name) {
    if (!this.rooms.has(name)) {
      this.rooms.set(name, { users: new Map(), history: [], answered: new Map(), last: 0 });
    }
    return this.rooms.get(name);
  }
}

const members = (room) => [...room.users].map(([user, { name }]) => ({ user, name })).slice(0, 100);

function since(history, id) {
  const at = history.findIndex((message) => message.id === id);
  return { history: history.slice(at + 1), complete: id === undefined || at >= 0 };
}
