// A Socket.IO server of Node's with one client in the room "room". It does what lines of JSON on its standard input say and
// prints lines of JSON: what its client got, what its server heard, and answers. The mode is streams, pubsub or sharded, or
// recovery: streams, with connection state recovery. In the mode pubsub it has an emitter, too.
//
//   node peer.mjs streams redis://127.0.0.1:6379
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient, createCluster } from "redis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";

const [, , mode, url] = process.argv;
const print = (line) => console.log(JSON.stringify(line, (key, value) => (value?.type === "Buffer" ? { $bytes: value.data } : value)));

async function connectRedis() {
  // sharded-cluster: a Redis Cluster
  const redis = mode === "sharded-cluster" ? createCluster({ rootNodes: [{ url }] }) : createClient({ url });
  redis.on("error", () => {});
  await redis.connect();
  return redis;
}

const redis = await connectRedis();
const adapters = {
  streams: async () => createStreamsAdapter(redis),
  recovery: async () => createStreamsAdapter(redis),
  pubsub: async () => createAdapter(redis, await connectRedis()),
  sharded: async () => createShardedAdapter(redis, await connectRedis()),
  "sharded-cluster": async () => createShardedAdapter(redis, await connectRedis()),
};
const emitter = new Emitter(redis);

const http = createServer();
const io = new Server(http, { adapter: await adapters[mode](), ...(mode === "recovery" && { connectionStateRecovery: {} }) });
io.on("connection", (socket) => socket.join("room"));
io.on("hello", (...args) => {
  const reply = args.pop();
  if (typeof reply === "function") reply({ node: args });
  else print({ heard: [...args, reply] });
});
await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));

const client = connect(`http://127.0.0.1:${http.address().port}`, { transports: ["websocket"] });
client.onAny((...args) => {
  const reply = args.at(-1);
  if (typeof reply === "function") reply("from node", 2);
  else print({ got: args });
});
client.on("disconnect", (reason) => print({ disconnected: reason }));
await new Promise((resolve) => client.once("connect", resolve));

const answer = (id, value) => print({ id, value });
const fail = (id, error) => print({ id, error: String(error) });
const does = {
  emit: ({ room, except, flag, event, args }) => {
    let to = room ? io.in(room) : io;
    if (except) to = to.except(except);
    if (flag) to = to[flag];
    to.emit(event, ...args);
  },
  emitter: ({ call, args, room, except }) => {
    let to = room ? emitter.in(room) : emitter;
    if (except) to = to.except(except);
    to[call](...args);
  },
  emitterBytes: ({ room, event }) => emitter.in(room).emit(event, Buffer.from([3])),
  rooms: async ({ id }) => answer(id, [...(await io.of("/").adapter.allRooms())].sort()),
  bytes: ({ room, event }) => io.in(room).emit(event, { b: Buffer.from([1, 2]) }, new Date(0)),
  join: ({ room, rooms }) => io.in(room).socketsJoin(rooms),
  leave: ({ room, rooms }) => io.in(room).socketsLeave(rooms),
  disconnect: ({ room, close }) => io.in(room).disconnectSockets(close),
  fetch: async ({ id, room }) => answer(id, (await io.in(room).fetchSockets()).map((s) => ({ id: s.id, rooms: [...s.rooms] }))),
  ask: ({ id, room, event }) => io.in(room).timeout(10_000).emit(event, "x", (error, replies) => (error ? fail(id, error) : answer(id, replies))),
  // The client goes, so that its session is stored, and answers what it would say when it came back.
  lose: ({ id }) => {
    const session = { SID: client.id, PID: client._pid, Offset: client._lastOffset };
    client.io.reconnection(false);
    client.once("disconnect", () => answer(id, session));
    client.io.engine.close();
  },
  // A client comes that says what it had before, and answers its id.
  come: ({ id, pid, offset }) => {
    const other = connect(`http://127.0.0.1:${http.address().port}`, { forceNew: true, transports: ["websocket"], auth: { pid, offset } });
    other.once("connect", () => (answer(id, { SID: other.id }), other.disconnect()));
  },
  server: ({ event, args }) => io.serverSideEmit(event, ...args),
  serverAsk: ({ id, event, args }) => io.serverSideEmit(event, ...args, (error, replies) => (error ? fail(id, error) : answer(id, replies))),
};
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    does[command.do](command);
  })
  .on("close", () => process.exit());
print({ ready: client.id });
