// Steps that the scenario files cannot say in YAML. artillery's own "response" compares whole messages, and theirs have
// an id and a time that nobody knows before.
import { randomUUID } from "node:crypto";

const rooms = 10;

// chooseRoom puts the virtual users into a few rooms.
export function chooseRoom(context, _events, done) {
  context.vars.room = `artillery-${Math.floor(Math.random() * rooms)}`;
  done();
}

// chooseNonce names the next message.
export function chooseNonce(context, _events, done) {
  context.vars.nonce = randomUUID();
  done();
}

// collectMessages notes whose messages arrive. The engines keep a virtual user's sockets by namespace.
export function collectMessages(context, _events, done) {
  context.received = new Map();
  for (const socket of Object.values(context.sockets)) {
    socket.on("message", ({ nonce }) => context.received.set(nonce, 1 + (context.received.get(nonce) ?? 0)));
  }
  done();
}

// expectMessage fails the virtual user unless its message has come back, once: a sender gets it before the acknowledgement.
export function expectMessage(context, events, done) {
  const times = context.received.get(context.vars.nonce) ?? 0;
  events.emit("counter", times === 1 ? "chat.message_back" : "chat.message_missing", 1);
  done(times === 1 ? undefined : new Error(`the message came back ${times} times`));
}
