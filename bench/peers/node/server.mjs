// The peer all ratios refer to: Node's Socket.IO server with ws, default options.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { mount, secretOf } from "../app/app.mjs";

const http = createServer();
mount(new Server(http), secretOf(process.env));
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening 127.0.0.1:${http.address().port}`);
});
