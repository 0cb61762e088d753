// Steps of a client whose connection breaks, with recovery on.
import parser from "socket.io-msgpack-parser";
import { connect, connected, event, modes, request } from "../support/client.mjs";

const steps = {
  "comes back to what it missed": async (t, target, mode, options) => {
    const { reader, writer, heard, id } = await pair(t, target, mode, options);
    await request(writer, "tell", mode, "first");
    await away(reader);
    await request(writer, "tell", mode, { list: [1, "two", null] });
    await request(writer, "tell", mode, Buffer.from([1, 2, 3]));
    await request(writer, "tell", "elsewhere", "not for it");
    await request(writer, "hint", mode, 7);
    await back(reader);
    await request(writer, "tell", mode, "last");
    const rooms = await request(reader, "leave", "none");
    return [reader.recovered, reader.id === id, heard, rooms];
  },
  "breaks several times": async (t, target, mode, options) => {
    const { reader, writer, heard, id } = await pair(t, target, mode, options);
    for (let n = 0; n < 6; n += 2) {
      await request(writer, "tell", mode, n);
      await request(reader, "leave", "none"); // behind the message
      await away(reader);
      await request(writer, "tell", mode, n + 1);
      await back(reader);
      await request(reader, "leave", "none");
    }
    return [reader.recovered, reader.id === id, heard];
  },
  "brings the private id of nobody": async (t, target, mode, options) => {
    const { reader, writer, heard, id } = await pair(t, target, mode, options);
    await request(writer, "tell", mode, "first");
    await away(reader);
    reader._pid = "n".repeat(reader._pid.length);
    await back(reader);
    return [reader.recovered, reader.id === id, heard, await request(reader, "leave", "none")];
  },
  "brings an offset of nobody": async (t, target, mode, options) => {
    const { reader, writer, id } = await pair(t, target, mode, options);
    await request(writer, "tell", mode, "first");
    await away(reader);
    reader._lastOffset = "nobody's";
    await back(reader);
    return [reader.recovered, reader.id === id];
  },
  "leaves by itself": async (t, target, mode, options) => {
    const { reader, writer, id } = await pair(t, target, mode, options);
    await request(writer, "tell", mode, "first");
    const gone = event(reader, "disconnect");
    reader.disconnect();
    await gone;
    await back(reader);
    return [reader.recovered, reader.id === id];
  },
  "is thrown out": async (t, target, mode, options) => {
    const { reader, writer, id } = await pair(t, target, mode, options);
    await request(writer, "tell", mode, "first");
    const gone = event(reader, "disconnect");
    reader.emit("kick");
    await gone;
    await back(reader);
    return [reader.recovered, reader.id === id];
  },
  "has received nothing yet": async (t, target, mode, options) => {
    const { reader, id } = await pair(t, target, mode, options);
    await away(reader);
    await back(reader);
    return [reader.recovered, reader.id === id];
  },
  "a volatile event that ends in a string came last": async (t, target, mode, options) => {
    const { reader, writer, id } = await pair(t, target, mode, options);
    await request(writer, "tell", mode, "first");
    let hinted = false;
    reader.once("hinted", () => (hinted = true));
    while (!hinted) {
      await request(writer, "hint", mode, "typing"); // dropped while no poll waits for it
    }
    await away(reader);
    await back(reader);
    return [reader.recovered, reader.id === id];
  },
};

// pair is a reader in a room named after the mode, what it is told, and somebody who writes to it.
async function pair(t, target, mode, options) {
  const heard = [];
  const on = { told: (data) => heard.push(data) };
  const reader = await connect(t, target, "/lab", mode, { user: "ada", on, ...options });
  const writer = await connect(t, target, "/lab", "websocket", { user: "bob", ...options });
  await request(reader, "join", mode);
  return { reader, writer, heard, id: reader.id };
}

// away breaks the connection, and resolves when the client has noticed. Who is not there any more has received everything.
async function away(socket) {
  await request(socket, "leave", "none");
  const gone = event(socket, "disconnect");
  socket.io.engine.close();
  await gone;
}

const back = (socket) => connected(socket.connect());

const over = (options) =>
  Object.fromEntries(modes.flatMap((mode) => Object.entries(steps).map(([name, run]) => [`${name} over ${mode}`, (target, t) => run(t, target, mode, options)])));

export const recoveries = { json: over({}), msgpack: over({ parser }) };
