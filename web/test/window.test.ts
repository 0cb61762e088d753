import assert from "node:assert/strict";
import { test } from "node:test";

import { Window, mostShown, pageSize } from "../src/window.ts";

test("a room opens with its newest messages", () => {
  const window = new Window();
  window.update(10_000, true);
  assert.deepEqual([window.start, window.end], [10_000 - pageSize, 10_000]);
});

test("while following, the window stays small and ends at the newest", () => {
  const window = new Window();
  for (let length = 0; length <= 10_000; length += 7) {
    window.update(length, true);
    assert.equal(window.end, length);
    assert.ok(window.end - window.start <= mostShown);
  }
});

test("a reader of old messages is not moved, and the page does not grow without end", () => {
  const window = new Window();
  window.update(1_000, true);
  window.earlier();
  const { start } = window;
  window.update(20_000, false);
  assert.equal(window.start, start);
  assert.equal(window.end, start + mostShown);
});

test("every message can be reached by steps in both directions", () => {
  const window = new Window();
  window.update(2_000, true);
  let steps = 0;
  for (; window.start > 0; steps++) {
    const { start } = window;
    window.earlier();
    assert.ok(window.end >= start, "a step left messages out");
  }
  assert.ok(steps < 20);
  while (window.end < 2_000) {
    const { end } = window;
    window.later(2_000);
    assert.ok(window.start <= end, "a step left messages out");
    assert.ok(window.end - window.start <= mostShown);
  }
});

test("a list that was cleared leaves no negative window", () => {
  const window = new Window();
  window.update(500, true);
  window.update(0, false);
  assert.deepEqual([window.start, window.end], [0, 0]);
});
