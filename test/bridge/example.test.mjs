// The example: who is somebody is routed into a namespace and rooms, on either engine.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { build, mint, start } from "./support/app.mjs";
import { ask, connect, event, gather, open, upTo } from "./support/client.mjs";

const program = build("./examples/zishang520");

for (const engine of ["stock", "gatehouse"]) {
  describe(`on the engine ${engine}`, async () => {
    const app = await start(program, ["--engine", engine, "--addr", "127.0.0.1:0"]);

    test("refusals have the codes of the handshake", async (t) => {
      const refused = {
        unauthenticated: undefined,
        token_invalid: { token: "no token" },
        token_expired: { token: mint("ada", { exp: 1 }) },
      };
      for (const [code, auth] of Object.entries(refused)) {
        const err = await event(open(t, app, "polling", "/chat", { auth }), "connect_error", "connect");
        assert.equal(err.data.code, code);
      }
    });

    test("the token may be in a header", async (t) => {
      await connect(t, app, "polling", "/chat", { extraHeaders: { authorization: `Bearer ${mint("ada")}` } });
    });

    test("an auth payload decides, whatever the header has", async (t) => {
      const options = { auth: { token: "no token" }, extraHeaders: { authorization: `Bearer ${mint("ada")}` } };
      const err = await event(open(t, app, "polling", "/chat", options), "connect_error", "connect");
      assert.equal(err.data.code, "token_invalid");
    });

    test("a room opens to who may enter it", async (t) => {
      const ada = await connect(t, app, "polling", "/chat", { auth: { token: mint("ada", { rooms: ["engine"] }) } });
      const bob = await connect(t, app, "polling", "/chat", { auth: { token: mint("bob") } });
      assert.deepEqual(await ask(ada, "room:join", { room: "engine" }), [{ ok: true }]);
      const [no] = await ask(bob, "room:join", { room: "engine" });
      assert.equal(no.error.code, "forbidden");
      const [unheard] = await ask(bob, "message:send", { room: "engine", text: "hello" });
      assert.equal(unheard.error.code, "forbidden");
      bob.on("message", ({ room }) => assert.notEqual(room, "engine"));
      const message = event(ada, "message");
      await ask(ada, "message:send", { room: "engine", text: "hello" });
      assert.deepEqual(await message, { room: "engine", from: "ada", text: "hello" });
    });

    test("it stops when it is told to", async () => {
      assert.equal(await app.stop(), 0);
    });
  });
}

test("on our engine a burst arrives whole and in order", async (t) => {
  const app = await start(program, ["--engine", "gatehouse", "--addr", "127.0.0.1:0"]);
  t.after(() => app.stop());
  const auth = () => ({ auth: { token: mint("ada") } });
  const [sender, receiver] = await Promise.all(upTo(2).map(() => connect(t, app, "websocket", "/chat", auth())));
  // The library replies to CONNECT before it calls the handler that joins the lobby, so a join of one's own comes first.
  await Promise.all([sender, receiver].map((client) => ask(client, "room:join", { room: "lobby" })));
  const arrived = gather(receiver, "message", 200);
  upTo(200).forEach((n) => sender.emit("message:send", { room: "lobby", text: n }));
  assert.deepEqual((await arrived).map(({ text }) => text), upTo(200));
});
