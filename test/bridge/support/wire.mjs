// A WebSocket for frames that the real client never sends.
import { once } from "node:events";
import WebSocket from "ws";

// frames opens a session and gives what is needed to speak by hand.
export async function frames(app) {
  const socket = new WebSocket(`ws://${app.addr}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
  const arrived = [];
  let wake = () => {};
  socket.on("message", (data) => {
    arrived.push(String(data));
    wake();
  });
  socket.on("error", () => {}); // the close event follows
  const closed = once(socket, "close").then(([code, reason]) => ({ code, reason: String(reason) }));
  await once(socket, "open");
  // until resolves with the next message that begins so.
  const until = async (prefix) => {
    for (;;) {
      const at = arrived.findIndex((message) => message.startsWith(prefix));
      if (at >= 0) {
        return arrived.splice(0, at + 1).at(-1);
      }
      await new Promise((resolve) => (wake = resolve));
    }
  };
  await until("0{");
  return { send: (message) => socket.send(message), until, closed, end: () => socket.terminate() };
}

// entered is a session that has entered "/".
export async function entered(app) {
  const wire = await frames(app);
  wire.send("40");
  await wire.until("40{");
  return wire;
}
