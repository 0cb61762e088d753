import assert from "node:assert/strict";
import { test } from "node:test";
import { points } from "../src/admin/points.ts";
import type { Now } from "../src/admin/protocol.ts";
import { Rates } from "../src/admin/rates.ts";
import { Parser } from "../src/admin/stream.ts";
import { bytes, clock, count, duration, rate, wordsOf } from "../src/admin/words.ts";

test("events are read however the text comes", () => {
  const text = 'event: now\ndata: {"a":1}\n\nevent: end\ndata: {"reason":"time"}\n\n';
  for (const size of [1, 7, text.length]) {
    const parser = new Parser();
    const told = [];
    for (let i = 0; i < text.length; i += size) {
      told.push(...parser.take(text.slice(i, i + size)));
    }
    assert.deepEqual(told, [{ event: "now", data: { a: 1 } }, { event: "end", data: { reason: "time" } }]);
  }
});

const at = (seconds: number, events: number, uptimeMs = seconds * 1000) => ({ at: new Date(seconds * 1000).toISOString(), uptimeMs, events }) as Now;

test("counters become speeds, and another process begins anew", () => {
  const rates = new Rates();
  [at(1, 10), at(2, 15), at(4, 35)].forEach((now) => rates.take(now));
  assert.deepEqual(rates.speeds((now) => now.events), [5, 10]);
  assert.equal(rates.grown((now) => now.events), 25);
  rates.take(at(5, 1, 100));
  assert.deepEqual(rates.speeds((now) => now.events), []);
  assert.equal(rates.grown((now) => now.events), 0);
});

test("numbers are said as people say them", () => {
  assert.deepEqual([count(1234), count(2_500_000), rate(0.25), rate(0), rate(250)], ["1,234", "2.5M", "0.3", "0", "250"]);
  assert.deepEqual([bytes(12), bytes(1536), bytes(256 << 20)], ["12 bytes", "1.5 KiB", "256 MiB"]);
  assert.deepEqual([duration(1000), duration(90_000), duration(7_200_000), duration(86_400_000 * 3)], ["1 second", "1 minute", "2 hours", "3 days"]);
  assert.match(clock("2001-02-03T04:05:06Z", new Date("2001-02-04T12:00:00Z")), /2001, /);
  assert.deepEqual([wordsOf("token_expired"), wordsOf("my_own")], ["The token has expired", "my_own"]);
});

test("a line ends at the right and fits its box", () => {
  assert.equal(points([0, 4, 2]).split(" ").at(-1), "120.0,14.0");
  assert.equal(points([]), "");
});
