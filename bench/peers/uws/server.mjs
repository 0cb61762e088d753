// Node's Socket.IO server on µWebSockets, default options.
import uws from "@btc-vision/uwebsockets.js";
import { Server } from "socket.io";
import { mount, secretOf } from "../app/app.mjs";

const io = new Server();
const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env;
const app = cert ? uws.SSLApp({ cert_file_name: cert, key_file_name: key }) : uws.App();
io.attachApp(app);
mount(io, secretOf(process.env));
app.listen("127.0.0.1", 0, (socket) => {
  console.log(`listening 127.0.0.1:${uws.us_socket_local_port(socket)}`);
});
