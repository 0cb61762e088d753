import assert from "node:assert/strict";
import { test } from "node:test";

import { Mask, type Part, base64url } from "../src/lab/mask.ts";
import { admittedInWords, refusal } from "../src/lab/outcome.ts";
import { Wire } from "../src/lab/wire.ts";

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_x";
const ticket = "q2Y3bXo0dGlja2V0LW9mLXRoaXJ0eS10d28tYnl0ZXM";

const text = (parts: Part[]) => parts.map((part) => ("mask" in part ? `<${part.mask}>` : part.text)).join("");

function masked(secrets: Record<string, string>, line: string): string {
  const mask = new Mask();
  for (const [label, value] of Object.entries(secrets)) {
    mask.hide(label, value);
  }
  return text(mask.parts(line));
}

test("a secret is masked in every form that a client sends it in", () => {
  const strange = 'a"b\\c+d/e=ü';
  for (const [line, want] of [
    [`40/lab/ticket,{"ticket":"${ticket}"}`, '40/lab/ticket,{"ticket":"<ticket, 43 characters>"}'],
    [`GET /socket.io/?ticket=${ticket}&EIO=4`, "GET /socket.io/?ticket=<ticket, 43 characters>&EIO=4"],
    [JSON.stringify({ token: strange }), '{"token":"<strange, 11 characters>"}'],
    [`?token=${encodeURIComponent(strange)}`, "?token=<strange, 11 characters>"],
    [`base64url.bearer.authorization.gatehouse.${base64url(strange)}`, "base64url.bearer.authorization.gatehouse.<strange, 11 characters in base64url>"],
    [`header-${base64url(JSON.stringify({ Authorization: ticket }))}, x`, "header-<ticket, 43 characters in base64url>, x"],
  ] as const) {
    assert.equal(masked({ ticket, strange }, line), want);
  }
});

test("several secrets in one line, also one that begins like another", () => {
  assert.equal(masked({ short: "abc", long: "abcdef" }, "abcdef abc abcabcdef"), "<long, 6 characters> <short, 3 characters> <short, 3 characters><long, 6 characters>");
});

test("what looks like a token is masked although nobody named it", () => {
  assert.equal(masked({}, `Authorization: Bearer ${jwt}`), `Authorization: Bearer <token, ${jwt.length} characters>`);
  assert.equal(masked({}, jwt.slice(0, 20)), "<token, 20 characters>");
});

test("the session id is a secret, the public socket id is none", () => {
  const id = "Zm9vYmFy";
  assert.equal(masked({}, `0{"sid":"${id}","upgrades":[]}`), '0{"sid":"<session id>","upgrades":[]}');
  assert.equal(masked({}, `GET /socket.io/?EIO=4&sid=${id}&t=1`), "GET /socket.io/?EIO=4&sid=<session id>&t=1");
  assert.equal(masked({}, `40/lab/token,{"sid":"${id}"}`), `40/lab/token,{"sid":"${id}"}`);
});

test("text without secrets stays, special characters and nothing included", () => {
  for (const line of ["", "41/lab/token,", "a.b*c(d)[e]|f$^", "40/lab/x,{}"]) {
    assert.equal(masked({ ticket, dots: "a.b" }, line), line.replace("a.b", "<dots, 3 characters>"));
  }
  assert.equal(masked({ nothing: "" }, "as it is"), "as it is");
});

test("the record keeps no secret that was named before", () => {
  const wire = new Wire();
  wire.mask.hide("ticket", ticket);
  wire.out("GET /", `Authorization: Bearer ${ticket}`);
  wire.in(JSON.stringify({ ticket }));
  wire.note("a remark");
  assert.deepEqual(wire.lines.map((line) => line.direction), ["out", "in", "note"]);
  assert.ok(!JSON.stringify(wire.lines).includes(ticket));
});

test("base64url is unpadded and of UTF-8", () => {
  assert.equal(base64url("ü?>"), "w7w_Pg");
  assert.equal(Buffer.from(base64url('{"a":"€"}'), "base64url").toString(), '{"a":"€"}');
});

test("a refusal keeps the server's code and words", () => {
  assert.deepEqual(refusal({ message: "Expired.", data: { code: "token_expired" } }), { kind: "refused", code: "token_expired", message: "Expired." });
  assert.equal(refusal({ message: "Invalid namespace" }).kind, "failed");
  assert.equal(refusal({ message: "websocket error" }).kind, "refused");
  assert.equal(refusal({ message: "timeout" }).kind, "failed");
});

test("who was let in, in words", () => {
  const at = (time: Date) => time.toISOString().slice(11, 16);
  const ada = { subject: "u-1", name: "Ada", method: "token", expiresAt: "2026-01-02T03:04:05Z" };
  assert.equal(admittedInWords(ada, "websocket", at), "Let in as Ada (u-1), until 03:04. The way in was token, over websocket.");
  assert.equal(admittedInWords({ subject: "ada", name: "ada", method: "anonymous" }, "polling", at), "Let in as ada, without an end. The way in was anonymous, over polling.");
});
