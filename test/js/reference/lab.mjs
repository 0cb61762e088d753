// What testapp/main.go mounts, on Node's socket.io: acknowledgements to the client, room operations, endings.
import { Refused } from "./token.mjs";

const limit = 30_000;

export function mountLab(nsp) {
  nsp.on("connection", (socket) => {
    arguments_(socket);
    rooms(nsp, socket);
    endings(socket);
    sockets(nsp, socket);
  });
}

// mountGuarded admits who has the scope "lab".
export function mountGuarded(nsp) {
  nsp.use((socket, next) => {
    if (socket.data.user.sub === "debtor") {
      next(Object.assign(new Error("pay first"), { data: { due: 12, to: ["lab"] } }));
      return;
    }
    const may = socket.data.user.scope.split(" ").includes("lab");
    next(may ? undefined : new Refused("forbidden", "the lab scope is needed"));
  });
  mountEcho(nsp);
}

export function mountEcho(nsp) {
  nsp.on("connection", (socket) => socket.on("echo", echo));
}

// echo answers whom it can: an event without an acknowledgement has no function behind its arguments.
function echo(...args) {
  const answer = args.pop();
  if (typeof answer === "function") {
    answer(...args);
  }
}

// mountGreeter speaks first: its connect handler asks the client before it takes any event.
export function mountGreeter(nsp) {
  nsp.on("connection", async (socket) => {
    socket.on("echo", echo);
    socket.emit("welcome", socket.data.user.sub);
    const answer = await socket.timeout(limit).emitWithAck("hello", "who is there?").catch(() => undefined);
    socket.emit("greeted", answer);
  });
}

function arguments_(socket) {
  socket.on("many", (a, b, c, ack) => ack(c, b, a));
  socket.on("ask", async (question, ack) => ack(await socket.timeout(limit).emitWithAck("question", question)));
  socket.on("blob", ({ name, data }, ack) => ack({ name, data: Buffer.from(data).reverse(), size: data.length }));
  socket.on("push", () => socket.emit("pushed", { first: Buffer.from([1, 2, 3]), list: [Buffer.from([4]), "five"] }));
}

function rooms(nsp, socket) {
  const joined = () => [...socket.rooms].filter((room) => room !== socket.id).sort();
  socket.on("join", (room, ack) => ack((socket.join(room), joined())));
  socket.on("leave", (room, ack) => ack((socket.leave(room), joined())));
  socket.on("shout", ({ room, except, text }, ack) => {
    socket.to(room).except(except ?? []).emit("heard", text);
    ack({ ok: true });
  });
  socket.on("all", ({ room, text }, ack) => {
    nsp.in(room).emit("heard", text);
    ack({ ok: true });
  });
  socket.on("tell", (room, data, ack) => {
    nsp.in(room).emit("told", data);
    ack({ ok: true });
  });
  socket.on("hint", (room, data, ack) => {
    nsp.in(room).volatile.emit("hinted", data);
    ack({ ok: true });
  });
  socket.on("survey", async (room, ack) => {
    const answers = await nsp.in(room).timeout(limit).emitWithAck("question", "your name?");
    ack(answers.sort());
  });
}

function endings(socket) {
  socket.on("kick", () => socket.disconnect());
  socket.on("kick:transport", () => socket.disconnect(true));
  socket.on("disconnecting", (reason) => {
    const rooms = [...socket.rooms].filter((room) => room !== socket.id).sort();
    socket.to("watchers").emit("gone", { user: socket.data.user.sub, reason, rooms });
  });
}

function sockets(nsp, socket) {
  const said = [];
  socket.onAnyOutgoing((name) => said.push(name));
  socket.on("7", (ack) => ack("seven"));
  socket.on("optional", (...args) => args.pop()(args.length === 0 || args[0] === null));
  socket.on("transport", (ack) => ack(socket.conn.transport.name));
  socket.on("devices", (text, ack) => {
    const devices = [...nsp.sockets.values()].filter((other) => other.data.user.sub === socket.data.user.sub);
    devices.forEach((device) => device.emit("device", text));
    ack(devices.length);
  });
  socket.on("leave all", (ack) => {
    [...socket.rooms].filter((room) => room !== socket.id).forEach((room) => socket.leave(room));
    ack([...socket.rooms].filter((room) => room !== socket.id));
  });
  socket.on("quietly", (text, ack) => {
    socket.compress(false).emit("quiet", text);
    socket.emit("sent", text);
    ack(said);
  });
}
