// permessage-deflate with the WebSocket client of Node (ws), which offers it by default.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { connect, gather, request } from "./support/client.mjs";
import { isReference, startTarget } from "./support/target.mjs";

const takeovers = ["none", "server", "client", "both"];
const eager = { perMessageDeflate: { threshold: 0 } };

const on = (takeover) => ({
  GATEHOUSE_COMPRESSION_WEBSOCKET: "on",
  GATEHOUSE_COMPRESSION_CONTEXT_TAKEOVER: takeover,
  GATEHOUSE_COMPRESSION_THRESHOLD: "100",
});

async function start(t, env = {}) {
  const target = await startTarget({ env });
  t.after(() => target.stop());
  return target;
}

const websocketOf = (socket) => socket.io.engine.transport.ws;

// A list as applications send it: about 20 KB, which compress well.
const list = (seed) => Array.from({ length: 200 }, (_, i) => ({ id: seed * 1000 + i, room: "general", text: `hello number ${i}`, name: "Ada Lovelace" }));

describe("compression of WebSockets", { skip: isReference && "it is about Gatehouse's configuration" }, () => {
  test("is off by default", async (t) => {
    const target = await start(t);
    const socket = await connect(t, target, "/echo", "websocket", eager);
    assert.equal(websocketOf(socket).extensions, "");
  });

  for (const takeover of takeovers) {
    for (const mode of ["websocket", "upgrade"]) {
      test(`an echo comes back as it was sent: context takeover ${takeover}, ${mode}`, async (t) => {
        const target = await start(t, on(takeover));
        const socket = await connect(t, target, "/echo", mode, eager);
        assert.equal(websocketOf(socket).extensions, "permessage-deflate");
        for (let n = 0; n < 20; n++) {
          const sent = { list: list(n), attachment: randomBytes(3000), zeros: Buffer.alloc(5000), n };
          assert.deepEqual(await request(socket, "echo", sent), sent);
        }
      });
    }

    test(`saves bytes both ways: context takeover ${takeover}`, async (t) => {
      const target = await start(t, on(takeover));
      const socket = await connect(t, target, "/echo", "websocket", eager);
      const { _socket: tcp } = websocketOf(socket);
      const [read, written] = [tcp.bytesRead, tcp.bytesWritten];
      const plain = JSON.stringify(list(1)).length;
      for (let n = 0; n < 10; n++) {
        await request(socket, "echo", list(1));
      }
      assert.ok(tcp.bytesRead - read < (10 * plain) / 4, `${tcp.bytesRead - read} bytes came for ${10 * plain}`);
      assert.ok(tcp.bytesWritten - written < (10 * plain) / 4, `${tcp.bytesWritten - written} bytes went for ${10 * plain}`);
    });

    test(`a room hears everything in one order, whoever compresses: context takeover ${takeover}`, async (t) => {
      const target = await start(t, on(takeover));
      const members = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          connect(t, target, "/chat", ["websocket", "upgrade", "polling"][i % 3], {
            user: `member-${i}`,
            perMessageDeflate: i % 2 === 0 && eager.perMessageDeflate,
          }),
        ),
      );
      await Promise.all(members.map((socket) => request(socket, "room:join", { room: "mixed" })));
      const total = 300;
      const heard = members.map((socket) => gather(socket, "message", total));
      const text = (i) => `${i}:`.padEnd((i % 5) * 500 + 10, "words and words ");
      const sent = Array.from({ length: total }, (_, i) => request(members[i % 3], "message:send", { room: "mixed", text: text(i) }));
      const [first, ...others] = (await Promise.all(heard)).map((got) => got.map((m) => m.text));
      others.forEach((other) => assert.deepEqual(other, first));
      assert.deepEqual([...first].sort(), Array.from({ length: total }, (_, i) => text(i)).sort());
      (await Promise.all(sent)).forEach((answer) => assert.equal(answer.ok, true));
    });
  }

  test("a client that does not offer it gets none", async (t) => {
    const target = await start(t, on("both"));
    const socket = await connect(t, target, "/echo", "websocket", { perMessageDeflate: false });
    assert.equal(websocketOf(socket).extensions, "");
    assert.deepEqual(await request(socket, "echo", list(1)), list(1));
  });
});
