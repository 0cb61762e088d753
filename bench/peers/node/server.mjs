// The peer all ratios refer to: Node's Socket.IO server with ws, default options.
import { readFileSync } from "node:fs";
import { createServer as plain } from "node:http";
import { createServer as secure } from "node:https";
import { Server } from "socket.io";
import { mount, secretOf } from "../app/app.mjs";

const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env;
const http = cert ? secure({ cert: readFileSync(cert), key: readFileSync(key) }) : plain();
mount(new Server(http), secretOf(process.env));
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening 127.0.0.1:${http.address().port}`);
});
