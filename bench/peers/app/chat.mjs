// Gatehouse's chat on Socket.IO's JavaScript server, as lean as an application would write it.

// The same bounds as Gatehouse's chat, so that both do the same work.
const historyKept = 200;
const noncesKept = 1024;
const membersShown = 100;
const announcedUpTo = 500;

// mountChat serves the chat on a namespace whose middleware has set socket.data.user.
export function mountChat(nsp) {
  const rooms = new Map();
  nsp.on("connection", (socket) => {
    const { user } = socket.data;
    const enter = (name) => rooms.get(name) ?? rooms.set(name, new Room(nsp, name)).get(name);
    const leave = (name) => {
      if (rooms.get(name)?.leave(socket, user) === 0) {
        rooms.delete(name);
      }
    };
    socket.on("room:join", ({ room, since }, ack) => ack(enter(room).join(socket, user, since)));
    socket.on("room:leave", ({ room }, ack) => {
      leave(room);
      socket.leave(room);
      ack({ ok: true });
    });
    socket.on("message:send", (payload, ack) => {
      const member = socket.rooms.has(payload.room);
      ack(member ? rooms.get(payload.room).send(user, payload) : refused("forbidden", "join the room first"));
    });
    socket.on("typing", ({ room, on }) => {
      if (socket.rooms.has(room)) {
        socket.to(room).volatile.emit("typing", { room, user: user.sub, on });
      }
    });
    socket.on("disconnecting", () => socket.rooms.forEach(leave));
  });
}

const refused = (code, message) => ({ ok: false, error: { code, message } });

class Room {
  #nsp;
  #name;
  #tabs = new Map(); // user → how many of its sockets are here, and its name
  #history = [];
  #answered = new Map(); // user and nonce → the acknowledgement given
  #last = 0;

  constructor(nsp, name) {
    this.#nsp = nsp;
    this.#name = name;
  }

  join(socket, { sub, name }, since) {
    if (!socket.rooms.has(this.#name)) {
      this.#arrive(socket, sub, name);
      socket.join(this.#name);
    }
    return { ok: true, count: this.#tabs.size, members: this.#members(), ...this.#since(since) };
  }

  // leave gives the number of users who are still here.
  leave(socket, { sub, name }) {
    const tabs = this.#tabs.get(sub);
    if (tabs && socket.rooms.has(this.#name) && --tabs.count === 0) {
      this.#tabs.delete(sub);
      this.#announce(socket, "member:left", sub, name);
    }
    return this.#tabs.size;
  }

  send({ sub, name }, { text, nonce }) {
    const key = nonce === undefined ? undefined : `${sub}\n${nonce}`;
    const before = key && this.#answered.get(key);
    if (before) {
      return before;
    }
    const message = { id: String(++this.#last), room: this.#name, from: sub, name, text, at: Date.now(), nonce };
    keep(this.#history, message);
    this.#nsp.to(this.#name).emit("message", message);
    return this.#remember(key, { ok: true, id: message.id, at: message.at });
  }

  #remember(key, answer) {
    if (key) {
      this.#answered.set(key, answer);
      if (this.#answered.size > noncesKept) {
        this.#answered.delete(this.#answered.keys().next().value);
      }
    }
    return answer;
  }

  #arrive(socket, sub, name) {
    const tabs = this.#tabs.get(sub);
    if (tabs) {
      tabs.count++;
      return;
    }
    this.#tabs.set(sub, { name, count: 1 });
    this.#announce(socket, "member:joined", sub, name);
  }

  #announce(socket, event, user, name) {
    if (this.#tabs.size <= announcedUpTo) {
      socket.to(this.#name).emit(event, { room: this.#name, user, name });
    }
  }

  #members() {
    const shown = [];
    for (const [user, { name }] of this.#tabs) {
      if (shown.push({ user, name }) === membersShown) {
        break;
      }
    }
    return shown;
  }

  #since(id) {
    const at = this.#history.findIndex((message) => message.id === id);
    return { history: this.#history.slice(at + 1), complete: id === undefined || at >= 0 };
  }
}

function keep(history, message) {
  history.push(message);
  if (history.length > historyKept) {
    history.shift();
  }
}
