import assert from "node:assert/strict";
import { test } from "node:test";

import { delayAfter } from "../src/backoff.ts";
import { readClaims } from "../src/claims.ts";
import { explainRefusal, explainRequest } from "../src/errors.ts";
import { issuerOf, passes, toMillis } from "../src/protocol.ts";
import { Session } from "../src/session.ts";

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
  assert.equal(delayAfter(0, () => 0, 20_000), 20_000, "not before the server asked");
  assert.equal(delayAfter(0, () => 1, 20_000), 25_000, "nor all at once when it did");
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

test("what passes is tried again, what does not is the user's", () => {
  for (const code of ["unavailable", "rate_limited", "too_many_connections"]) {
    assert.ok(passes({ code, message: "" }), code);
  }
  assert.ok(passes({ code: "token_invalid", message: "not valid yet", retryAfterMs: 1_000 }));
  for (const code of ["token_invalid", "forbidden", "origin_forbidden", "disconnected", "invalid_namespace"]) {
    assert.ok(!passes({ code, message: "" }), code);
  }
});

test("users of another issuer are told apart", () => {
  assert.equal(issuerOf("ann"), undefined);
  assert.equal(issuerOf("@https:%2F%2Fid.example/ann"), "https://id.example");
  assert.equal(issuerOf("@/ann"), "another sign-in");
  assert.equal(issuerOf("@%/ann"), "%");
});

function place() {
  const items = new Map<string, string>();
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
  };
}

test("a second tab is who signed in with a name, until it signs out", async () => {
  const browser = place();
  const [first, second] = [place(), place()];
  Session.begin({ tab: first, browser }, { token: token({ sub: "ada" }), name: "Ada" });
  assert.equal(Session.restore({ tab: second, browser })?.me.user, "ada");
  Session.forget({ tab: second, browser });
  assert.equal(Session.restore({ tab: second, browser }), undefined);
  assert.equal(Session.restore({ tab: place(), browser }), undefined);
  assert.equal(Session.restore({ tab: first, browser })?.me.user, "ada");
});

test("a token that was pasted stays in its tab", () => {
  const browser = place();
  const tab = place();
  Session.begin({ tab, browser }, { token: token({ sub: "ada" }) });
  assert.equal(Session.restore({ tab, browser })?.me.user, "ada");
  assert.equal(Session.restore({ tab: place(), browser }), undefined);
});
