import assert from "node:assert/strict";
import { test } from "node:test";

import { Outbox, maxOutgoing } from "../src/outbox.ts";

function memory() {
  const items = new Map<string, string>();
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
  };
}

function outbox(keep = memory()) {
  let count = 0;
  return new Outbox(keep, "box", () => `n${++count}`);
}

const texts = (box: Outbox, room: string) => box.entries(room).map((entry) => entry.text);
const echo = { id: 7, at: 7, room: "lobby", from: "ada", name: "Ada", text: "one" };
const refusal = { code: "forbidden", message: "no" };

test("messages leave in the order in which they were typed, one at a time", () => {
  const box = outbox();
  for (const text of ["one", "two", "three"]) {
    box.add("lobby", text, 0);
  }
  const sent: string[] = [];
  for (let entry = box.next("lobby"); entry; entry = box.next("lobby")) {
    assert.equal(box.next("lobby"), undefined, "a second one left while the first was on its way");
    sent.push(entry.text);
    box.acknowledged(entry.nonce, { id: 1, at: 1 });
  }
  assert.deepEqual(sent, ["one", "two", "three"]);
});

test("rooms do not wait for each other", () => {
  const box = outbox();
  box.add("lobby", "one", 0);
  box.add("kitchen", "two", 0);
  assert.equal(box.next("lobby")?.text, "one");
  assert.equal(box.next("kitchen")?.text, "two");
});

test("an interrupted message goes out again first and with the same nonce", () => {
  const box = outbox();
  box.add("lobby", "one", 0);
  box.add("lobby", "two", 0);
  const first = box.next("lobby")?.nonce;
  box.interrupted();
  const again = box.next("lobby");
  assert.equal(again?.nonce, first);
  assert.equal(again?.text, "one");
});

test("an answer that never comes leads to another attempt under the same nonce", () => {
  const box = outbox();
  const nonce = box.add("lobby", "one", 0)!.nonce;
  box.next("lobby");
  box.unanswered(nonce);
  assert.equal(box.next("lobby")?.nonce, nonce);
});

test("a late timeout does not send an acknowledged message again", () => {
  const box = outbox();
  const nonce = box.add("lobby", "one", 0)!.nonce;
  box.next("lobby");
  box.acknowledged(nonce, { id: 1, at: 1 });
  box.unanswered(nonce);
  assert.equal(box.next("lobby"), undefined);
});

test("a message seen in its room is gone, even before its acknowledgement", () => {
  const box = outbox();
  const nonce = box.add("lobby", "one", 0)!.nonce;
  box.next("lobby");
  box.seen({ ...echo, nonce });
  box.acknowledged(nonce, { id: 1, at: 1 });
  box.interrupted();
  assert.deepEqual(texts(box, "lobby"), []);
});

test("a message is known by its acknowledgement when the history has no nonces", () => {
  const box = outbox();
  const nonce = box.add("lobby", "one", 0)!.nonce;
  box.seen(echo);
  assert.deepEqual(texts(box, "lobby"), ["one"]);
  box.next("lobby");
  box.acknowledged(nonce, echo);
  box.seen({ ...echo, room: "kitchen" });
  box.seen({ ...echo, at: 8 });
  assert.deepEqual(texts(box, "lobby"), ["one"]);
  box.seen(echo);
  assert.deepEqual(texts(box, "lobby"), []);
});

test("a refused message stays, lets others pass, and can be tried again or given up", () => {
  const box = outbox();
  const nonce = box.add("lobby", "bad", 0)!.nonce;
  box.add("lobby", "good", 0);
  box.next("lobby");
  box.refused(nonce, refusal);
  assert.equal(box.next("lobby")?.text, "good");
  assert.deepEqual(box.entries("lobby")[0]?.error, refusal);

  box.retry(nonce);
  assert.deepEqual(texts(box, "lobby"), ["good", "bad"]);
  assert.equal(box.entries("lobby")[1]?.nonce, nonce);
  assert.equal(box.entries("lobby")[1]?.error, undefined);

  box.drop(nonce);
  assert.deepEqual(texts(box, "lobby"), ["good"]);
});

test("a reload keeps what the server may not have, in order and under the same nonces", () => {
  const keep = memory();
  const before = outbox(keep);
  const nonces = ["sent", "sending", "queued", "refused"].map((text) => before.add("lobby", text, 5)!.nonce);
  before.next("lobby");
  before.acknowledged(nonces[0]!, { id: 1, at: 1 });
  before.next("lobby");
  before.refused(nonces[3]!, refusal);

  const after = outbox(keep);
  assert.deepEqual(texts(after, "lobby"), ["sending", "queued", "refused"]);
  assert.deepEqual(after.entries("lobby").map((entry) => entry.nonce), nonces.slice(1));
  assert.equal(after.next("lobby")?.text, "sending");
});

test("stored rubbish is not believed", () => {
  for (const stored of ["", "{", "null", "{}", '[1,null,{"nonce":1}]', '[{"nonce":"a","room":"r","text":"t","at":1,"state":"x"}]']) {
    const keep = memory();
    keep.setItem("box", stored);
    assert.deepEqual(outbox(keep).rooms(), [], stored);
  }
});

test("storage that refuses to store loses nothing while the page lives", () => {
  const box = outbox({
    getItem: () => null,
    setItem: () => {
      throw new Error("quota");
    },
  });
  box.add("lobby", "one", 0);
  assert.equal(box.next("lobby")?.text, "one");
});

test("the outbox has a limit and says so", () => {
  const box = outbox();
  for (let i = 0; i < maxOutgoing; i++) {
    assert.ok(box.add("lobby", `${i}`, 0));
  }
  assert.equal(box.add("lobby", "too many", 0), undefined);
  assert.equal(box.waiting, maxOutgoing);
});

test("a message over which the connection ended twice is a suspect, also across a reload", () => {
  const keep = memory();
  let box = outbox(keep);
  box.add("lobby", "bad", 0);
  box.add("lobby", "good", 0);
  box.next("lobby");
  assert.deepEqual(box.interrupted(true), []);

  box = outbox(keep);
  assert.equal(box.next("lobby")?.text, "bad");
  const [suspect] = box.interrupted(true);
  assert.equal(suspect?.text, "bad");
  box.refused(suspect!.nonce, refusal, 7);
  assert.equal(box.next("lobby")?.text, "good");
  assert.equal(outbox(keep).entries("lobby")[0]?.after, 7);

  box.retry(suspect!.nonce);
  assert.deepEqual(box.interrupted(true), [], "what the user tries again begins anew");
});

test("an end whose cause is known makes no suspects", () => {
  const box = outbox();
  box.add("lobby", "one", 0);
  for (let i = 0; i < 5; i++) {
    box.next("lobby");
    assert.deepEqual(box.interrupted(false), []);
  }
});
