import assert from "node:assert/strict";
import { test } from "node:test";

import { piecesOf } from "../src/links.ts";

// Links in brackets, the rest as it is.
const marked = (text: string) => piecesOf(text).map((piece) => (piece.href ? `<${piece.text}>` : piece.text)).join("");

test("addresses become links, without the sentence around them", () => {
  for (const [text, want] of [
    ["see https://a.example/x?y=1#z.", "see <https://a.example/x?y=1#z>."],
    ["(http://a.example)", "(<http://a.example>)"],
    ["https://a.example/Go_(game), yes", "<https://a.example/Go_(game)>, yes"],
    ["HTTPS://A.example!", "<HTTPS://A.example>!"],
    ["http://a.example http://b.example", "<http://a.example> <http://b.example>"],
    ["nothing here", "nothing here"],
    ["", ""],
  ] as const) {
    assert.equal(marked(text), want);
  }
});

test("nothing else becomes a link", () => {
  for (const text of [
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://a.example",
    "//a.example",
    "https://",
    "https://bank.example@evil.example/",
    "https://a.example/\u202egpj.exe",
    "https://a.example/\u200bx",
    "xhttps://a.example",
  ]) {
    assert.ok(piecesOf(text).every((piece) => piece.href === undefined), text);
  }
});

test("a link leads where its words say, and no character is lost", () => {
  const text = "a https://a.example/?q='x'&r=[1], \"https://b.example\" <https://c.example> end";
  const pieces = piecesOf(text);
  assert.equal(pieces.map((piece) => piece.text).join(""), text);
  for (const { text: words, href } of pieces) {
    assert.ok(href === undefined || href === words);
  }
});
