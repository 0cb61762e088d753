import assert from "node:assert/strict";
import { test } from "node:test";

import { delayAfter } from "../src/backoff.ts";
import { readClaims } from "../src/claims.ts";
import { explainRefusal, explainRequest } from "../src/errors.ts";
import { toMillis } from "../src/protocol.ts";

function token(payload: unknown): string {
  return `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.signature`;
}

test("a token's claims are read as UTF-8", () => {
  assert.deepEqual(readClaims(token({ sub: "u-1", name: "Žofie ~?>~~??>>", exp: 100 })), {
    subject: "u-1",
    name: "Žofie ~?>~~??>>",
    expiresAt: 100_000,
  });
});

test("what is no token has no claims", () => {
  for (const text of ["", "abc", "a.b.c", "a.e30.c", `a.${btoa("null")}.c`, `a.${btoa('{"sub":1,"exp":"x"}')}.c`]) {
    assert.deepEqual(readClaims(text), {}, text);
  }
});

test("attempts come ever more slowly, up to a limit, and not all at once", () => {
  const latest = [0, 1, 2, 3, 4, 50, 5_000].map((failures) => delayAfter(failures, () => 1));
  assert.deepEqual(latest, [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  assert.equal(delayAfter(0, () => 0), 500);
});

test("every code of the server has words and a next step", () => {
  const codes = [
    "unauthenticated", "token_invalid", "token_expired", "ticket_invalid", "origin_forbidden", "forbidden",
    "rate_limited", "too_many_connections", "unavailable", "invalid_namespace", "revoked", "disconnected",
  ];
  const fallback = explainRefusal({ code: "no such code", message: "" });
  for (const code of codes) {
    const { title, text } = explainRefusal({ code, message: "" });
    assert.notEqual(title, fallback.title, code);
    assert.match(text, /\.$/, code);
  }
});

test("a code without words of ours lets the server speak", () => {
  assert.match(explainRefusal({ code: "teapot", message: "short and stout" }).text, /short and stout/);
  assert.equal(explainRequest({ code: "teapot", message: "short and stout" }), "Short and stout.");
  assert.equal(explainRequest({ code: "forbidden", message: "whatever" }), "You have no access to this room.");
});

test("times are read in both forms", () => {
  assert.equal(toMillis(5), 5);
  assert.equal(toMillis("1970-01-01T00:00:01Z"), 1_000);
  assert.equal(toMillis("nonsense"), 0);
});
