// A port for a server that cannot choose one itself.
import { once } from "node:events";
import { createServer } from "node:net";

// freePort finds a port that nobody listens at. It is below those that the system takes for connections and for port 0, so that
// nothing but another call takes it meanwhile.
export async function freePort() {
  for (;;) {
    const port = 10_240 + Math.floor(Math.random() * 20_000);
    const server = createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(() => true, () => false);
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
