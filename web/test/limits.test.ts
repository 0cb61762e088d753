import assert from "node:assert/strict";
import { test } from "node:test";

import { Drafts } from "../src/drafts.ts";
import { tooLong, unlimited } from "../src/limits.ts";

const message = (text: string) => ({ room: "lobby", text, nonce: "n".repeat(32) });

test("characters are counted as the server counts them", () => {
  const limits = { text: 4, bytes: Infinity };
  assert.equal(tooLong(message("🏰🏰🏰🏰"), limits), undefined);
  const failure = tooLong(message("🏰🏰🏰🏰🏰"), limits);
  assert.equal(failure?.code, "text_too_long");
  assert.match(failure!.message, /at most 4 characters; this one has 5/);
});

test("bytes are counted as they go over the wire", () => {
  const limits = { text: Infinity, bytes: 1_000 };
  assert.equal(tooLong(message("x".repeat(800)), limits), undefined);
  for (const text of ["x".repeat(1_000), "é".repeat(500), "\n".repeat(500), "\u0001".repeat(170)]) {
    assert.match(tooLong(message(text), limits)?.message ?? "", /at most 1,000 bytes/, text.slice(0, 1));
  }
});

test("nothing is too long before the server has said what is", () => {
  assert.equal(tooLong(message("x".repeat(2_000_000)), unlimited), undefined);
});

test("a draft survives a reload, an empty one is none", () => {
  const items = new Map<string, string>();
  const keep = { getItem: (key: string) => items.get(key) ?? null, setItem: (key: string, value: string) => void items.set(key, value) };
  const drafts = new Drafts(keep, "d");
  drafts.set("lobby", "half a sen");
  drafts.set("help", "x");
  drafts.set("help", "");
  const after = new Drafts(keep, "d");
  assert.equal(after.of("lobby"), "half a sen");
  assert.equal(after.of("help"), "");
  for (const rubbish of ["{", "{}", "[1]", '[["a"]]', '[["a",1]]']) {
    items.set("d", rubbish);
    assert.equal(new Drafts(keep, "d").of("a"), "", rubbish);
  }
});
