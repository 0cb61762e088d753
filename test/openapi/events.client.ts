// A client with the types that gatehouse types prints. The compiler must find a mistake in each line that expects one.
import { type Socket, io } from "socket.io-client";
import type * as events from "./events.js";

const app: Socket<events.AppServerToClientEvents, events.AppClientToServerEvents> = io("/app");

app.on("cursor", (data: unknown, meta) => console.log(data, meta.from));
app.on("edit:title", (data: unknown, meta) => console.log(data, meta.id));
app.on("chat message", (text: string) => console.log(text));
app.on("presence:joined", ({ room, user }) => console.log(room, user));
// @ts-expect-error: no rule lets such an event through
app.on("drawing", () => {});
// @ts-expect-error: a count is no text
app.on("presence:count", ({ count }: { count: string }) => console.log(count));

app.emit("chat message", "hello", 1, { two: 2 });
// @ts-expect-error: which room?
app.emit("room:leave", {});
app.emit("room:leave", { room: "doc:7" });
app.emit("room:leave", { room: "doc:7" }, (reply) => console.log(reply.ok || reply.error.code));

const joined = await app.emitWithAck("room:join", { room: "doc:7", since: { offset: 1, epoch: "a" } });
if (joined.ok) {
  console.log(joined.count, joined.history?.map(({ offset }) => offset));
} else {
  console.log(joined.error.code, joined.error.retryAfterMs);
}
const sent = await app.emitWithAck("room:send", { room: "doc:7", event: "cursor", data: [1, 2] });
// @ts-expect-error: an answer that may be a failure has no id
console.log(sent.id);

const chat: Socket<events.ChatServerToClientEvents, events.ChatClientToServerEvents> = io("/chat");
chat.on("message", ({ id, text }) => console.log(id.length, text));
chat.volatile.emit("typing", { room: "lobby", on: true });

const open: Socket<events.OpenServerToClientEvents, events.OpenClientToServerEvents> = io("/open");
open.emit("whatever the back end handles", 1, 2, 3);
