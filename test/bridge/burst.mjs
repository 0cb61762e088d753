// Sends a burst of messages from one client to another and prints what arrived, as JSON.
// Usage: node burst.mjs URL COUNT
import { once } from "node:events";
import { io } from "socket.io-client";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const quiet = 1500; // ms without a message after which no more is expected

const open = () => io(url, { transports: ["websocket"], forceNew: true, reconnection: false });
const [sender, receiver] = [open(), open()];
await Promise.all([once(sender, "connect"), once(receiver, "connect")]);

const arrived = [];
await new Promise((resolve) => {
  let timer = setTimeout(resolve, quiet);
  receiver.on("message", (n) => {
    arrived.push(n);
    clearTimeout(timer);
    timer = setTimeout(resolve, arrived.length === count ? 0 : quiet);
  });
  for (let n = 0; n < count; n++) {
    sender.emit("chat", n);
  }
});
const ordered = arrived.every((n, i) => i === 0 || n > arrived[i - 1]);
console.log(JSON.stringify({ arrived: arrived.length, ordered }));
process.exit(0); // the library's engine does not answer a close frame, and the client would wait 30 s for it
