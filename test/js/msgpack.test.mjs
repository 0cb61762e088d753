// Clients with socket.io-msgpack-parser: the server finds the parser from the first packet, with no setting.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import parser from "socket.io-msgpack-parser";
import { connect, event, gather, modes, open, refusal, request } from "./support/client.mjs";
import { isReference, startLab, startTarget } from "./support/target.mjs";
import { mint } from "./support/token.mjs";

const values = [
  "quotes \" and \\ and \n and \u2028 and 🏰",
  [1, -2.5, true, null, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), 1e-300],
  { deep: { list: [1, [2, [3]]], empty: {} } },
  Buffer.from([0, 1, 2, 255]),
  { nested: [Buffer.from("one"), Buffer.from("two")], text: "x" },
  Buffer.alloc(300_000, 7),
];

// One server of Node's has one parser; there both kinds of clients cannot be on it.
for (const mode of isReference ? [] : modes) {
  describe(`msgpack over ${mode}`, () => {
    let target, lab;
    before(async () => ([target, lab] = await Promise.all([startTarget(), startLab()])));
    after(() => Promise.all([target?.stop(), lab?.stop()]));

    test("arguments come back as they were, binary and large integers too", async (t) => {
      const socket = await connect(t, target, "/echo", mode, { parser });
      for (const value of values) {
        assert.deepEqual(await request(socket, "echo", value), value);
      }
    });

    test("what JSON cannot say arrives as JSON.stringify writes it", async (t) => {
      const socket = await connect(t, target, "/echo", mode, { parser });
      const date = new Date(0);
      assert.deepEqual(await request(socket, "echo", { date, gone: undefined, list: [undefined], nan: NaN }), {
        date: date.toISOString(),
        list: [null],
        nan: null,
      });
    });

    test("both kinds are in one room, and each gets its own", async (t) => {
      const pack = await connect(t, lab, "/lab", mode, { parser, user: "pack" });
      const text = await connect(t, lab, "/lab", mode, { user: "text" });
      await request(pack, "join", "r");
      await request(text, "join", "r");
      const heard = [gather(pack, "heard", 2), gather(text, "heard", 2)];
      await request(pack, "all", { room: "r", text: "from msgpack" });
      await request(text, "all", { room: "r", text: "from text" });
      for (const got of await Promise.all(heard)) {
        assert.deepEqual(got, ["from msgpack", "from text"]);
      }
      const names = ["pack", "text"];
      [pack, text].forEach((socket, i) => socket.on("question", (_, answer) => answer(names[i])));
      assert.deepEqual(await request(text, "survey", "r"), names);
      const [pushed] = await Promise.all([event(pack, "pushed"), request(pack, "push")]);
      assert.deepEqual(pushed[0], { first: Buffer.from([1, 2, 3]), list: [Buffer.from([4]), "five"] });
    });

    test("a refusal is understood", async (t) => {
      const err = await refusal(t, target, "/echo", mode, { parser, auth: { token: "nonsense" } });
      assert.equal(err.data.code, "token_invalid");
    });

    test("a DISCONNECT is understood in both directions", async (t) => {
      const socket = await connect(t, lab, "/lab", mode, { parser });
      socket.disconnect();
      socket.connect();
      await event(socket, "connect");
      const ended = event(socket, "disconnect");
      socket.emit("kick");
      assert.equal((await ended)[0], "io server disconnect");
    });
  });
}

// A Date is an extension type of its own; any other that the encoder does not know is refused.
if (!isReference) {
  test("what is no msgpack of a packet ends its connection and no other", async (t) => {
    const target = await startTarget();
    t.after(() => target.stop());
    const other = await connect(t, target, "/echo", "websocket", { parser });
    for (const bytes of [[0xc1], [0xdf, 0xff, 0xff, 0xff, 0xff], Array(10_000).fill(0x91), [0x81, 0xa4, 0x74], [0xd4, 0x42, 0]]) {
      const socket = open(target, "/echo", "websocket", { auth: { token: mint("ada") } });
      t.after(() => socket.disconnect());
      socket.io.on("open", () => socket.io.engine.write(Buffer.from(bytes)));
      socket.connect();
      await new Promise((resolve) => socket.io.once("close", resolve));
    }
    assert.equal(await request(other, "echo", 1), 1);
  });
}
