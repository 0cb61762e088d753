import assert from "node:assert/strict";
import { test } from "node:test";

import type { Message } from "../src/protocol.ts";
import { Timeline, maxEntries } from "../src/timeline.ts";

function message(id: number, at = id): Message {
  return { id, at, room: "lobby", from: "ada", name: "Ada", text: `text ${id}` };
}

const messages = (...ids: number[]) => ids.map((id) => message(id));

function shown(timeline: Timeline) {
  return timeline.entries.map((entry) => (entry.kind === "gap" ? "gap" : entry.message.id));
}

function joinedWith(...ids: number[]) {
  const timeline = new Timeline();
  timeline.joining();
  timeline.joined(messages(...ids), true);
  return timeline;
}

test("the first join shows the history, then what is said", () => {
  const timeline = joinedWith(1, 2);
  assert.equal(timeline.live(message(3)), true);
  assert.deepEqual(shown(timeline), [1, 2, 3]);
  assert.equal(timeline.lastId, 3);
});

test("a message that comes twice is shown once", () => {
  const timeline = joinedWith(1, 2);
  assert.equal(timeline.live(message(2)), false);
  assert.deepEqual(shown(timeline), [1, 2]);
});

test("what is said while a join is under way comes after its history", () => {
  const timeline = joinedWith(1);
  timeline.joining();
  assert.equal(timeline.live(message(4)), false);
  assert.equal(timeline.lastId, 1);
  const added = timeline.joined(messages(2, 3, 4), true);
  assert.deepEqual(added.map((m) => m.id), [2, 3, 4]);
  timeline.live(message(5));
  assert.deepEqual(shown(timeline), [1, 2, 3, 4, 5]);
});

test("a join that fails loses no live message", () => {
  const timeline = joinedWith(1);
  timeline.joining();
  timeline.live(message(2));
  assert.deepEqual(timeline.notJoined().map((m) => m.id), [2]);
  assert.deepEqual(shown(timeline), [1, 2]);
});

test("a second join before the answer to the first keeps what was held", () => {
  const timeline = joinedWith(1);
  timeline.joining();
  timeline.live(message(2));
  timeline.joining();
  timeline.joined([], true);
  assert.deepEqual(shown(timeline), [1, 2]);
});

test("a history that does not reach back leaves a gap marker", () => {
  const timeline = joinedWith(1, 2);
  timeline.joining();
  timeline.joined(messages(7, 8), false);
  assert.deepEqual(shown(timeline), [1, 2, "gap", 7, 8]);
});

test("a server that forgot everything leaves one gap marker, however often it restarts", () => {
  const timeline = joinedWith(1, 2);
  for (let i = 0; i < 3; i++) {
    timeline.joining();
    timeline.joined([], false);
  }
  assert.deepEqual(shown(timeline), [1, 2, "gap"]);
});

test("a history that overlaps what is shown leaves no gap", () => {
  const timeline = joinedWith(1, 2);
  timeline.joining();
  timeline.joined(messages(2, 3), false);
  assert.deepEqual(shown(timeline), [1, 2, 3]);
});

test("a first history that is cut says so, once", () => {
  const timeline = new Timeline();
  for (let i = 0; i < 2; i++) {
    timeline.joining();
    timeline.joined(messages(5), false);
  }
  assert.deepEqual(shown(timeline), ["gap", 5]);
  assert.equal(timeline.entries[0]?.kind === "gap" && timeline.entries[0].first, true);
});

test("nothing is missing before the history of a room at its beginning", () => {
  assert.deepEqual(shown(joinedWith(5)), [5]);
});

test("an id that a restarted server uses again belongs to another message", () => {
  const timeline = joinedWith(1, 2);
  timeline.joining();
  timeline.joined([message(1, 100)], false);
  assert.deepEqual(shown(timeline), [1, 2, "gap", 1]);
});

test("two gaps have different keys", () => {
  const timeline = joinedWith(1);
  for (const id of [5, 9]) {
    timeline.joining();
    timeline.joined(messages(id), false);
  }
  const keys = timeline.entries.flatMap((entry) => (entry.kind === "gap" ? [entry.key] : []));
  assert.equal(new Set(keys).size, 2);
});

test("the oldest messages are forgotten past the limit", () => {
  const timeline = joinedWith(1);
  for (let id = 2; id <= maxEntries + 10; id++) {
    timeline.live(message(id));
  }
  assert.equal(timeline.entries.length, maxEntries);
  assert.equal(shown(timeline)[0], 11);
});
