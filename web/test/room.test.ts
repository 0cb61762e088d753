import assert from "node:assert/strict";
import { test } from "node:test";

import { hashOf, longestRoomName, roomInHash, roomName } from "../src/room.ts";
import { Members } from "../src/members.ts";
import { OwnTyping, Typists, typingLasts, typingWords } from "../src/typing.ts";

test("a room's name is what was meant", () => {
  assert.equal(roomName("  # kitchen sink "), "kitchen sink");
  assert.equal(roomName("##"), "");
  assert.equal(roomName("x".repeat(100)).length, longestRoomName);
});

test("a room is found again in the address", () => {
  for (const name of ["lobby", "kitchen sink", "100%", "a/b?c&d", "žluť", "日本語"]) {
    assert.equal(roomInHash(hashOf(name)), name);
  }
  for (const hash of ["", "#", "#%", "#%20"]) {
    assert.equal(roomInHash(hash), undefined, hash);
  }
});

const ada = { user: "ada", name: "Ada" };
const bo = { user: "bo", name: "Bo" };

test("members come and go once, however often it is said", () => {
  const members = new Members();
  members.replace(1, [bo]);
  members.joined(ada);
  members.joined(ada);
  assert.equal(members.count, 2);
  assert.deepEqual(members.list, [ada, bo]);
  members.left(ada);
  members.left(ada);
  assert.equal(members.count, 1);
});

test("a crowd is counted though not listed", () => {
  const members = new Members();
  members.replace(250, [ada, bo]);
  assert.equal(members.unlisted, 248);
  members.left({ user: "somebody" });
  assert.equal(members.count, 249);
  assert.equal(members.unlisted, 247);
});

test("a typing notice ends by itself", () => {
  const typists = new Typists();
  typists.set("bo", true, 0);
  typists.set("ada", true, 10);
  assert.deepEqual(typists.at(100), ["bo", "ada"]);
  typists.set("ada", false, 200);
  assert.deepEqual(typists.at(300), ["bo"]);
  assert.deepEqual(typists.at(typingLasts), []);
});

test("own typing is told once in a while, and its end", () => {
  const own = new OwnTyping();
  assert.deepEqual(own.changed("lobby", false, 0), [{ room: "lobby", on: true }]);
  assert.deepEqual(own.changed("lobby", false, 100), []);
  assert.deepEqual(own.changed("lobby", false, 3_000), [{ room: "lobby", on: true }]);
  assert.deepEqual(own.changed("lobby", true, 3_100), [{ room: "lobby", on: false }]);
  assert.deepEqual(own.changed("lobby", true, 3_200), []);
});

test("typing in another room ends it in the first", () => {
  const own = new OwnTyping();
  own.changed("lobby", false, 0);
  assert.deepEqual(own.changed("kitchen", false, 1), [
    { room: "lobby", on: false },
    { room: "kitchen", on: true },
  ]);
  assert.deepEqual(own.stopped(), [{ room: "kitchen", on: false }]);
  assert.deepEqual(own.stopped(), []);
});

test("typing is told in words", () => {
  const said = (...names: string[]) => typingWords(names).map(({ text }) => text).join("");
  assert.equal(said(), "");
  assert.equal(said("Ada"), "Ada is typing…");
  assert.equal(said("Ada", "Bo"), "Ada and Bo are typing…");
  assert.equal(said("Ada", "Bo", "Cy"), "Several people are typing…");
  assert.deepEqual(typingWords(["Ada", "Bo"]).filter(({ name }) => name).map(({ text }) => text), ["Ada", "Bo"]);
});
