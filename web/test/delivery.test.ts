import assert from "node:assert/strict";
import { test } from "node:test";

import { Delivery } from "../src/delivery.ts";
import { Outbox, type Outgoing } from "../src/outbox.ts";
import type { Accepted, Reply } from "../src/protocol.ts";

type Answer = Reply<Accepted> | undefined | "hang";

const yes: Answer = { ok: true, id: 1, at: 1 };
const no = (code: string, retryAfterMs?: number): Answer => ({
  ok: false,
  error: { code, message: "", ...(retryAfterMs ? { retryAfterMs } : {}) },
});

// A server that gives these answers in turn, and yes to all that follow.
function setup(...answers: Answer[]) {
  let count = 0;
  const outbox = new Outbox({ getItem: () => null, setItem: () => {} }, "box", () => `n${++count}`);
  const sent: string[] = [];
  const pauses: number[] = [];
  const connect = () =>
    new Delivery({
      outbox,
      send: async (entry: Outgoing) => {
        sent.push(`${entry.nonce} ${entry.text}`);
        const answer = answers.length ? answers.shift() : yes;
        if (answer === "hang") await new Promise(() => {});
        if (!answer) throw new Error("timeout");
        return answer as Reply<Accepted>;
      },
      check: ({ text }) => (text === "unfit" ? { code: "text_too_long", message: "" } : undefined),
      pause: async (millis) => void pauses.push(millis),
      accepted: () => {},
      refused: (entry, error) => outbox.refused(entry.nonce, error),
      changed: () => {},
    });
  return { outbox, sent, pauses, connect };
}

const states = (outbox: Outbox) => outbox.entries("lobby").map((entry) => entry.state);

test("everything that waits goes out in order", async () => {
  const { outbox, sent, connect } = setup();
  for (const text of ["a", "b", "c"]) outbox.add("lobby", text, 0);
  await connect().run("lobby");
  assert.deepEqual(sent, ["n1 a", "n2 b", "n3 c"]);
  assert.deepEqual(states(outbox), ["sent", "sent", "sent"]);
});

test("two runs at once send nothing twice", async () => {
  const { outbox, sent, connect } = setup();
  outbox.add("lobby", "a", 0);
  const delivery = connect();
  await Promise.all([delivery.run("lobby"), delivery.run("lobby")]);
  assert.deepEqual(sent, ["n1 a"]);
});

test("without an answer the same nonce goes out again, before what follows", async () => {
  const { outbox, sent, connect } = setup(undefined);
  outbox.add("lobby", "a", 0);
  outbox.add("lobby", "b", 0);
  await connect().run("lobby");
  assert.deepEqual(sent, ["n1 a", "n1 a", "n2 b"]);
});

test("a refusal is kept, and what follows still goes out", async () => {
  const { outbox, sent, connect } = setup(no("forbidden"));
  outbox.add("lobby", "a", 0);
  outbox.add("lobby", "b", 0);
  await connect().run("lobby");
  assert.deepEqual(sent, ["n1 a", "n2 b"]);
  assert.deepEqual(states(outbox), ["failed", "sent"]);
});

test("a server that puts off is asked again when it said, in order", async () => {
  const { outbox, sent, pauses, connect } = setup(no("rate_limited", 2_500), no("unavailable"));
  outbox.add("lobby", "a", 0);
  outbox.add("lobby", "b", 0);
  await connect().run("lobby");
  assert.deepEqual(sent, ["n1 a", "n1 a", "n1 a", "n2 b"]);
  assert.deepEqual(pauses, [2_500, 1_000]);
});

test("what was on its way when the connection ended goes out on the next one, once", async () => {
  const { outbox, sent, connect } = setup("hang");
  outbox.add("lobby", "a", 0);
  outbox.add("lobby", "b", 0);
  const first = connect();
  void first.run("lobby");
  first.end();
  outbox.interrupted();
  await connect().run("lobby");
  assert.deepEqual(sent, ["n1 a", "n1 a", "n2 b"]);
  assert.deepEqual(states(outbox), ["sent", "sent"]);
});

test("an answer from a connection that ended changes nothing", async () => {
  const { outbox, sent, connect } = setup(no("forbidden"));
  outbox.add("lobby", "a", 0);
  const first = connect();
  const running = first.run("lobby");
  first.end();
  outbox.interrupted();
  await running;
  assert.deepEqual(states(outbox), ["queued"]);
  await connect().run("lobby");
  assert.deepEqual(sent, ["n1 a", "n1 a"]);
});

test("what the server would not take is not sent, and what follows is", async () => {
  const { outbox, sent, connect } = setup();
  outbox.add("lobby", "unfit", 0);
  outbox.add("lobby", "b", 0);
  await connect().run("lobby");
  assert.deepEqual(sent, ["n2 b"]);
  assert.deepEqual(states(outbox), ["failed", "sent"]);
});
