// Socket.IO on Bun's own HTTP and WebSocket server, default options.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { mount, secretOf } from "../app/app.mjs";

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
mount(io, secretOf(process.env));

const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env;
const tls = cert ? { cert: Bun.file(cert), key: Bun.file(key) } : undefined;
const http = Bun.serve({ port: 0, hostname: "127.0.0.1", tls, ...engine.handler() });
console.log(`listening 127.0.0.1:${http.port}`);
