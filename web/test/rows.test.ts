import assert from "node:assert/strict";
import { test } from "node:test";

import type { Outgoing } from "../src/outbox.ts";
import { type MessageRow, type Row, rowsOf } from "../src/rows.ts";
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
  const rows = rowsOf([said("ada", 0), { kind: "gap", key: "gap-1" }, said("ada", 1)], [], me);
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
