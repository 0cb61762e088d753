// The surfaces that the load tool uses, on any Socket.IO server in JavaScript.
import { admit } from "./token.mjs";
import { mountChat } from "./chat.mjs";

// mount serves /chat and /echo on io for clients with a token signed with secret.
export function mount(io, secret) {
  mountChat(io.of("/chat").use(admit(secret)));
  io.of("/echo").use(admit(secret)).on("connection", (socket) => {
    socket.on("echo", (...args) => args.pop()(...args));
  });
}

// secretOf gives the HMAC secret that the environment holds.
export function secretOf(env) {
  if (!env.BENCH_HMAC_SECRET) {
    throw new Error("BENCH_HMAC_SECRET is not set");
  }
  return env.BENCH_HMAC_SECRET;
}
