import assert from "node:assert/strict";
import { test } from "node:test";

import type { Outgoing } from "../src/outbox.ts";
import { type MessageRow, type Row, rowsOf as rowsOfRun } from "../src/rows.ts";
import type { Entry } from "../src/timeline.ts";

const noon = new Date(2026, 4, 1, 12).getTime();
const me = { user: "ada", name: "Ada" };

function said(from: string, minute: number, nonce?: string): Entry {
  const message = { id: `${from}${minute}`, room: "lobby", from, name: from, text: "hi", at: noon + minute * 60_000 };
  return { kind: "message", message: nonce ? { ...message, nonce } : message };
}

function typed(state: Outgoing["state"], minute = 0): Outgoing {
  return { nonce: "n1", room: "lobby", text: "hi", at: noon + minute * 60_000, state };
}

const rowsOf = (entries: Entry[], outgoing: Outgoing[], who: typeof me) => rowsOfRun({ entries, oldest: true, newest: true }, outgoing, who);
const kinds = (rows: Row[]) => rows.map((row) => (row.kind === "message" ? (row.first ? "first" : "more") : row.kind));
const last = (rows: Row[]) => rows.at(-1) as MessageRow;

test("messages of one sender are grouped until another speaks or time passes", () => {
  const rows = rowsOf([said("ada", 0), said("ada", 1), said("bo", 2), said("ada", 3), said("ada", 9)], [], me);
  assert.deepEqual(kinds(rows), ["day", "first", "more", "first", "first", "first"]);
});

test("a new day has a heading and starts a group", () => {
  const rows = rowsOf([said("ada", 0), said("ada", 24 * 60)], [], me);
  assert.deepEqual(kinds(rows), ["day", "first", "day", "first"]);
});

test("a gap starts a group, not a day", () => {
  const rows = rowsOf([said("ada", 0), { kind: "gap", key: "gap-1", first: false }, said("ada", 1)], [], me);
  assert.deepEqual(kinds(rows), ["day", "first", "gap", "first"]);
});

test("what waits stands last, in the group of what was sent", () => {
  assert.deepEqual(kinds(rowsOf([said("ada", 0)], [typed("queued", 1)], me)), ["day", "first", "more"]);
});

test("own messages carry their delivery, others do not", () => {
  assert.equal(last(rowsOf([said("bo", 0)], [], me)).status, undefined);
  assert.equal(last(rowsOf([said("ada", 0)], [], me)).status, "delivered");
  for (const state of ["queued", "sending", "sent", "failed"] as const) {
    assert.equal(last(rowsOf([], [typed(state)], me)).status, state);
  }
});

test("an own message keeps its key when the server echoes it", () => {
  const before = last(rowsOf([], [typed("sending")], me)).key;
  assert.equal(last(rowsOf([said("ada", 0, "n1")], [], me)).key, before);
});

test("somebody else's nonce does not collide with one's own", () => {
  const rows = rowsOf([said("bo", 0, "n1"), said("ada", 0, "n1")], [], me);
  assert.equal(new Set(rows.map((row) => row.key)).size, rows.length);
});

test("keys are unique even when the clocks of page and server disagree about the day", () => {
  const rows = rowsOf([said("bo", 0), said("bo", 24 * 60), said("bo", 1)], [typed("queued", 24 * 60)], me);
  assert.equal(new Set(rows.map((row) => row.key)).size, rows.length);
});

test("a long group says the name again", () => {
  const rows = rowsOf(Array.from({ length: 18 }, (_, i) => said("bo", i / 10)), [], me);
  assert.deepEqual(kinds(rows).map((kind, i) => (kind === "first" ? i : -1)).filter((i) => i >= 0), [1, 9, 17]);
});

function refusedAfter(after?: string): Outgoing {
  return { ...typed("failed"), text: "refused", ...(after ? { after } : {}) };
}

const textsOf = (rows: Row[]) => rows.flatMap((row) => (row.kind === "message" ? [row.id ?? row.text] : []));

test("a refused message keeps its place among what was said later", () => {
  const entries = [said("b", 1), said("c", 2), said("d", 3)];
  assert.deepEqual(textsOf(rowsOf(entries, [refusedAfter("c2")], me)), ["b1", "c2", "refused", "d3"]);
  assert.deepEqual(textsOf(rowsOf(entries, [refusedAfter("cc")], me)), ["b1", "c2", "refused", "d3"], "what it followed is gone");
  assert.deepEqual(textsOf(rowsOf(entries, [refusedAfter()], me)), ["refused", "b1", "c2", "d3"], "the room was empty");
  assert.deepEqual(textsOf(rowsOf(entries, [refusedAfter("d3"), typed("queued")], me)), ["b1", "c2", "d3", "refused", "hi"]);
});

test("a refused message is shown with its surroundings only", () => {
  const entries = [said("c", 2), said("d", 3)];
  const middle = { entries, oldest: false, newest: false };
  assert.deepEqual(textsOf(rowsOfRun(middle, [refusedAfter("b1"), refusedAfter("d3"), typed("queued")], me)), ["c2", "d3"]);
  assert.deepEqual(textsOf(rowsOfRun(middle, [refusedAfter("c2")], me)), ["c2", "refused", "d3"]);
});
