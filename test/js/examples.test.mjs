// What the README tells back ends and front ends to do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mint } from "../../examples/mint/mint.mjs";
import { connect, gather, request } from "./support/client.mjs";
import { startTarget } from "./support/target.mjs";
import { secret } from "./support/token.mjs";

test("a back end's own token, ten lines of Node, enters the chat", async (t) => {
  const target = await startTarget();
  t.after(() => target?.stop());
  const socket = await connect(t, target, "/chat", "upgrade", { auth: { token: mint("u-17", "Ada", secret) } });
  const { ok, members } = await request(socket, "room:join", { room: "lobby" });
  assert.deepEqual([ok, members], [true, [{ user: "u-17", name: "Ada" }]]);
});

test("auth as a function that logs in, as the README's client does", async (t) => {
  const target = await startTarget();
  t.after(() => target?.stop());
  const login = () =>
    fetch(`${target.url}/demo/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "Ada" }),
    }).then((response) => response.json());
  const socket = await connect(t, target, "/chat", "upgrade", { auth: (send) => login().then(({ token }) => send({ token })) });
  const message = gather(socket, "message", 1);
  await request(socket, "room:join", { room: "lobby" });
  await request(socket, "message:send", { room: "lobby", text: "Hello" });
  const [{ name, text }] = await message;
  assert.deepEqual([name, text], ["Ada", "Hello"]);
});
