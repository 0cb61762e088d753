// The chat of the design's table: rooms, members, history, nonces.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, event, gather, modes, request } from "./support/client.mjs";
import { isReference, startTarget } from "./support/target.mjs";

for (const mode of modes) {
  describe(`chat over ${mode}`, () => {
    let target;
    before(async () => (target = await startTarget()));
    after(() => target?.stop());

    const user = (t, name, options = {}) => connect(t, target, "/chat", mode, { user: name, ...options });

    test("two users talk", async (t) => {
      const [ada, bob] = await Promise.all([user(t, "ada"), user(t, "bob")]);
      await request(ada, "room:join", { room: "talk" });
      await request(bob, "room:join", { room: "talk" });
      const [heardByAda, heardByBob] = [event(ada, "message"), event(bob, "message")];
      const { ok, id, at } = await request(ada, "message:send", { room: "talk", text: "hello", nonce: "n1" });
      assert.ok(ok);
      const [message] = await heardByBob;
      assert.deepEqual(message, { id, room: "talk", from: "ada", name: "ada", text: "hello", at, nonce: "n1" });
      assert.deepEqual(await heardByAda, [message]);
    });

    test("the sender has its own message before the acknowledgement", async (t) => {
      const ada = await user(t, "ada");
      await request(ada, "room:join", { room: "own" });
      const order = [];
      ada.on("message", ({ text }) => order.push(text));
      for (const text of ["a", "b", "c"]) {
        await request(ada, "message:send", { room: "own", text });
        order.push("acknowledged");
      }
      assert.deepEqual(order, ["a", "acknowledged", "b", "acknowledged", "c", "acknowledged"]);
    });

    test("a message without nonce carries none", async (t) => {
      const ada = await user(t, "ada");
      await request(ada, "room:join", { room: "bare" });
      const heard = event(ada, "message");
      await request(ada, "message:send", { room: "bare", text: "x" });
      const [message] = await heard;
      assert.deepEqual(Object.keys(message).sort(), ["at", "from", "id", "name", "room", "text"]);
    });

    test("a repeated nonce is answered with the first answer and sends nothing", async (t) => {
      const [ada, bob] = await Promise.all([user(t, "ada"), user(t, "bob")]);
      await request(ada, "room:join", { room: "once" });
      await request(bob, "room:join", { room: "once" });
      const heard = gather(bob, "message", 2);
      const first = await request(ada, "message:send", { room: "once", text: "x", nonce: "same" });
      const again = await request(ada, "message:send", { room: "once", text: "x", nonce: "same" });
      assert.deepEqual(again, first);
      await request(bob, "message:send", { room: "once", text: "y", nonce: "same" });
      assert.deepEqual((await heard).map((m) => m.text), ["x", "y"], "the nonce is the user's, not the room's");
    });

    test("who joins gets count, members and history; who left hears nothing more", async (t) => {
      const [ada, bob] = await Promise.all([user(t, "ada"), user(t, "bob")]);
      const first = await request(ada, "room:join", { room: "join" });
      assert.deepEqual(first, { ok: true, count: 1, members: [{ user: "ada", name: "ada" }], history: [], complete: true });
      const { id } = await request(ada, "message:send", { room: "join", text: "before" });

      const joined = event(ada, "member:joined");
      const second = await request(bob, "room:join", { room: "join" });
      assert.deepEqual(await joined, [{ room: "join", user: "bob", name: "bob" }]);
      assert.equal(second.count, 2);
      assert.deepEqual(second.members.map((m) => m.user).sort(), ["ada", "bob"]);
      assert.deepEqual(second.history.map((m) => [m.id, m.text]), [[id, "before"]]);

      const left = event(ada, "member:left");
      assert.deepEqual(await request(bob, "room:leave", { room: "join" }), { ok: true });
      assert.deepEqual(await left, [{ room: "join", user: "bob", name: "bob" }]);
      const stray = gather(bob, "message", 1).then(() => assert.fail("heard after leaving"), () => {});
      await request(ada, "message:send", { room: "join", text: "after" });
      const refused = await request(bob, "message:send", { room: "join", text: "from outside" });
      assert.equal(refused.ok, false);
      bob.disconnect();
      await stray;
    });

    test("since gives what came after, and says whether that is all", async (t) => {
      const ada = await user(t, "ada");
      await request(ada, "room:join", { room: "since" });
      const sent = [];
      for (const text of ["1", "2", "3"]) {
        sent.push(await request(ada, "message:send", { room: "since", text }));
      }
      const bob = await user(t, "bob");
      const rest = await request(bob, "room:join", { room: "since", since: sent[0].id });
      assert.deepEqual(rest.history.map((m) => m.text), ["2", "3"]);
      assert.equal(rest.complete, true);
      const carol = await user(t, "carol");
      const unknown = await request(carol, "room:join", { room: "since", since: "never-was" });
      assert.deepEqual(unknown.history.map((m) => m.text), ["1", "2", "3"]);
      assert.equal(unknown.complete, false);
    });

    test("members are users, not tabs", async (t) => {
      const [watcher, one, two] = await Promise.all([user(t, "watcher"), user(t, "ada"), user(t, "ada")]);
      await request(watcher, "room:join", { room: "tabs" });
      const seen = [];
      watcher.on("member:joined", ({ user }) => seen.push(`+${user}`));
      watcher.on("member:left", ({ user }) => seen.push(`-${user}`));
      await request(one, "room:join", { room: "tabs" });
      const { count } = await request(two, "room:join", { room: "tabs" });
      assert.equal(count, 2);
      const left = event(watcher, "member:left");
      await request(one, "room:leave", { room: "tabs" });
      two.disconnect();
      await left;
      assert.deepEqual(seen, ["+ada", "-ada"]);
    });

    test("typing goes to the others in the room", async (t) => {
      const [ada, bob] = await Promise.all([user(t, "ada"), user(t, "bob")]);
      await request(ada, "room:join", { room: "typing" });
      await request(bob, "room:join", { room: "typing" });
      const typing = event(bob, "typing");
      ada.emit("typing", { room: "typing", on: true });
      assert.deepEqual(await typing, [{ room: "typing", user: "ada", on: true }]);
    });

    test("rooms do not hear each other", async (t) => {
      const [ada, bob] = await Promise.all([user(t, "ada"), user(t, "bob")]);
      await request(ada, "room:join", { room: "north" });
      await request(bob, "room:join", { room: "south" });
      const heard = event(bob, "message");
      await request(ada, "message:send", { room: "north", text: "for the north" });
      await request(bob, "message:send", { room: "south", text: "for the south" });
      assert.equal((await heard)[0].text, "for the south");
    });

    test("joining while others talk misses nothing and gets nothing twice", async (t) => {
      const [ada, bob] = await Promise.all([user(t, "ada"), user(t, "bob")]);
      await request(ada, "room:join", { room: "race" });
      const count = 200;
      const last = event(bob, "message", { where: (m) => m.text === String(count - 1) }).catch(() => {});
      const live = [];
      bob.on("message", (m) => live.push(m.text));
      const sent = Array.from({ length: count }, (_, i) => request(ada, "message:send", { room: "race", text: String(i) }));
      await sent[count / 10];
      const { history } = await request(bob, "room:join", { room: "race" });
      await Promise.all(sent);
      if (history.at(-1)?.text !== String(count - 1)) {
        await last;
      }
      const all = [...history.map((m) => m.text), ...live];
      const from = Number(all[0]); // the history is bounded: it may begin later
      assert.deepEqual(all, Array.from({ length: count - from }, (_, i) => String(from + i)));
      bob.emit("bye");
    });

    for (const [name, payload] of [
      ["nothing", undefined],
      ["null", null],
      ["a text", "talk"],
      ["a list", []],
      ["no room", { text: "x" }],
      ["a number for a room", { room: 7, text: "x" }],
      ["an empty room", { room: "", text: "x" }],
    ]) {
      test(`a request with ${name} is answered with an error`, { skip: isReference && "the reference checks less" }, async (t) => {
        const ada = await user(t, "ada");
        for (const request_ of ["room:join", "room:leave", "message:send"]) {
          const args = payload === undefined ? [] : [payload];
          const answer = await request(ada, request_, ...args);
          assert.equal(answer.ok, false, request_);
          assert.deepEqual(Object.keys(answer.error).sort(), ["code", "message"]);
        }
        assert.equal((await request(ada, "room:join", { room: "after" })).ok, true);
      });
    }
  });
}
