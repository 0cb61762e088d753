// The hostile corpus: after each, the process lives and an honest client is served.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, request } from "./support/client.mjs";
import { isReference, startTarget } from "./support/target.mjs";
import { mint } from "./support/token.mjs";
import { admitted, frame, Frames, get, poll, post, query, Stream, upgraded } from "./support/wire.mjs";

const deep = "[".repeat(100_000) + "]".repeat(100_000);

// texts are what a client sends as one WebSocket message: as a stranger, and again after it was admitted to /echo.
const texts = {
  "an event without arguments": "42",
  "an acknowledgement without id": "43",
  "a binary event without anything": "450-",
  "a binary event that waits for one attachment": "451-",
  "a message of nothing": "4",
  "an empty message": "",
  "an unknown Engine.IO type": "9",
  "an OPEN from a client": "0{}",
  "a CLOSE": "1",
  "a PING from a client": "2",
  "a PONG that nobody asked for": "3",
  "an UPGRADE out of place": "5",
  "a NOOP": "6",
  "an unknown Socket.IO type": "47",
  "an event before CONNECT": '42/chat,["message:send",{}]',
  "an event of no namespace": '42/nowhere,["x"]',
  "DISCONNECT of a namespace never joined": "41/chat,",
  "DISCONNECT with a tail": "41/echo,{}",
  "CONNECT_ERROR from a client": '44/echo,{"message":"x"}',
  "CONNECT with text for a payload": '40/echo,"x"',
  "CONNECT with broken JSON": "40/echo,{",
  "CONNECT with deep JSON": `40/echo,{"token":${"[".repeat(5000)}`,
  "a namespace without end": `40/${"n".repeat(60_000)}`,
  "an acknowledgement id beyond 2^53": '42/echo,99999999999999999999["echo",1]',
  "an acknowledgement that nobody asked for": "43/echo,123456[]",
  "an acknowledgement id of letters": '42/echo,x["echo"]',
  "a negative number of attachments": '45-1-/echo,["echo",{"_placeholder":true,"num":0}]',
  "a huge number of attachments": '45999999999-/echo,["echo"]',
  "eleven attachments": `4511-/echo,["echo"${',{"_placeholder":true,"num":0}'.repeat(11)}]`,
  "a placeholder that names no attachment": '451-/echo,["echo",{"_placeholder":true,"num":7}]',
  "a placeholder with a negative number": '451-/echo,["echo",{"_placeholder":true,"num":-1}]',
  "100,000 nested arrays": `42/echo,["echo",${deep}]`,
  "an event with a number for a name": "42/echo,[1,2]",
  "an event with an object for a name": '42/echo,[{"a":1}]',
  "an event that is no array": '42/echo,{"echo":1}',
  "an event with a reserved name": '42/echo,1["connect"]',
  "an event with another reserved name": '42/echo,1["disconnecting"]',
  "an event of the auth family": '42/echo,1["auth:expired",{}]',
  "an event with a long name": `42/echo,1["${"e".repeat(50_000)}"]`,
  "an event with a tail": '42/echo,1["echo"]tail',
  "an event with NUL and broken escapes": '42/echo,1["echo","\\u0000\\ud800"]',
  "the prototype of everything": '42/echo,1["__proto__",{"__proto__":{"admin":true}}]',
};

// frames are bytes on the WebSocket's wire that no library would write.
const frames = {
  "invalid UTF-8": frame(Buffer.from([0x34, 0x32, 0xff, 0xfe])),
  "an unmasked frame": frame("40/echo,", { masked: false }),
  "reserved bits": frame("40/echo,", { rsv: 7 }),
  "a reserved opcode": frame("x", { opcode: 3 }),
  "a control frame over 125 bytes": frame("p".repeat(126), { opcode: 9 }),
  "a fragmented control frame": frame("p", { opcode: 9, fin: false }),
  "a continuation of nothing": frame("x", { opcode: 0 }),
  "a new message inside a fragmented one": Buffer.concat([frame("4", { fin: false }), frame("x")]),
  "a close frame of one byte": frame("x", { opcode: 8 }),
  "a close frame with a forbidden code": frame(Buffer.from([0x03, 0xed]), { opcode: 8 }),
  "a frame that announces 4 GB": frame("x", { length: 0xffffffff }),
  "a binary frame before CONNECT": frame(Buffer.from([1, 2, 3]), { opcode: 2 }),
  "an empty binary frame": frame("", { opcode: 2 }),
  "1,000 pings": Buffer.concat(Array.from({ length: 1000 }, () => frame("p", { opcode: 9 }))),
  "half a frame": frame("40/echo,{}").subarray(0, 5),
};

describe("hostile clients", () => {
  let target;
  before(async () => (target = await startTarget({ env: { GATEHOUSE_HANDSHAKE_TIMEOUT: "2s" } })));
  after(() => target?.stop());

  // honest holds that the process lives and serves.
  async function honest(t) {
    assert.ok(target.alive, `the process ended:\n${target.log.slice(-20).join("\n")}`);
    for (const mode of ["polling", "websocket"]) {
      const socket = await connect(t, target, "/echo", mode);
      assert.equal(await request(socket, "echo", "still here"), "still here");
      socket.disconnect();
    }
  }

  // settled waits until the server has dealt with what was sent: it answers a ping, or closes.
  const settled = (f) =>
    Promise.race([f.closed, new Promise((resolve) => (f.socket.readyState === 1 ? (f.socket.once("pong", resolve), f.socket.ping()) : resolve()))]);

  for (const [name, text] of Object.entries(texts)) {
    const skip = isReference && text.includes(deep) && "it ends Node's server";

    test(`${name}, from a stranger and from a member`, { skip }, async (t) => {
      for (const enter of [() => Frames.open(target), () => admitted(target, "/echo", mint("eve"))]) {
        const f = await enter();
        f.send(text);
        await settled(f);
        f.end();
      }
      await honest(t);
    });

    test(`${name}, over polling`, { skip }, async (t) => {
      const { sid } = await poll(target);
      await post(target, { transport: "polling", sid }, `40/echo,${JSON.stringify({ token: mint("eve") })}`);
      const { status } = await post(target, { transport: "polling", sid }, text);
      assert.ok([200, 400, 413].includes(status), `status ${status}`);
      await honest(t);
    });
  }

  for (const [name, bytes] of Object.entries(frames)) {
    test(`${name}`, async (t) => {
      const stream = await upgraded(target);
      stream.write(bytes);
      await honest(t);
      stream.end();
    });
  }

  test("fragments of one byte make a whole message", async () => {
    const stream = await upgraded(target);
    const text = `40/echo,${JSON.stringify({ token: mint("ada") })}`;
    [...text].forEach((c, i) => stream.write(frame(c, { opcode: i === 0 ? 1 : 0, fin: i === text.length - 1 })));
    await stream.until('40/echo,{"sid":');
    stream.end();
  });

  test("a frame that comes byte by byte", async () => {
    const stream = await upgraded(target);
    stream.socket.setNoDelay(true);
    for (const byte of frame(`40/echo,${JSON.stringify({ token: mint("ada") })}`)) {
      stream.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stream.until('40/echo,{"sid":');
    stream.end();
  });

  test("a message and its frame's PONG in the bytes right behind the handshake", async (t) => {
    const stream = await Stream.open(target);
    const head = `GET ${query({ transport: "websocket" })} HTTP/1.1\r\nHost: ${target.addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    const connect_ = frame(`40/echo,${JSON.stringify({ token: mint("ada") })}`);
    stream.write(Buffer.concat([Buffer.from(head), frame("3"), connect_]));
    await Promise.race([stream.closed, stream.until('40/echo,{"sid":').catch(() => {})]);
    stream.end();
    await honest(t);
  });

  test("two CONNECTs at once", async (t) => {
    const f = await Frames.open(target);
    const packet = `40/echo,${JSON.stringify({ token: mint("eve") })}`;
    f.send(packet, packet);
    await Promise.race([f.closed, f.find((m) => String(m).startsWith("40/echo"))]);
    f.end();
    await honest(t);
  });

  test("1,000 CONNECTs to namespaces that are none", async (t) => {
    const f = await Frames.open(target);
    f.send(...Array.from({ length: 1000 }, (_, i) => `40/none-${i},{}`));
    await settled(f);
    f.end();
    await honest(t);
  });

  test("a binary event whose attachment never comes", async (t) => {
    const f = await admitted(target, "/echo", mint("eve"));
    f.send('451-/echo,1["echo",{"_placeholder":true,"num":0}]', '42/echo,2["echo","text between"]');
    await settled(f);
    f.end();
    await honest(t);
  });

  test("a chunked POST without end", async (t) => {
    const { sid } = await poll(target);
    const stream = await Stream.open(target);
    stream.write(`POST ${query({ transport: "polling", sid })} HTTP/1.1\r\nHost: ${target.addr}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n40/ec\r\n`);
    await honest(t);
    stream.end();
  });

  test("a header that never ends, and 100 connections that say nothing", async (t) => {
    const silent = await Promise.all(Array.from({ length: 100 }, () => Stream.open(target)));
    silent[0].write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nX-Slow: ");
    await honest(t);
    silent.forEach((s) => s.end());
  });

  test("broken polling bodies", async (t) => {
    for (const body of ["", "\x1e", "\x1e\x1e", "b!!!!", "b", "4\x1e", "zzz", "4".repeat(3) + "\x1e".repeat(1000)]) {
      const { sid } = await poll(target);
      assert.ok([200, 400].includes((await post(target, { transport: "polling", sid }, body)).status));
    }
    await honest(t);
  });

  test("a member that sends and never reads", async (t) => {
    const stream = await upgraded(target);
    stream.write(frame(`40/echo,${JSON.stringify({ token: mint("eve") })}`));
    await stream.until('40/echo,{"sid":');
    stream.socket.pause();
    const big = frame(`42/echo,1["echo","${"x".repeat(60_000)}"]`);
    for (let i = 0; i < 200; i++) {
      stream.write(big);
    }
    await honest(t);
    stream.end();
  });

  test("a stranger that never speaks is closed at the deadline", { skip: isReference && "Node's is 45 s" }, async (t) => {
    const f = await Frames.open(target);
    await f.closed;
    await honest(t);
  });

  test("200 members that vanish without a word leave nothing behind", async (t) => {
    const members = await Promise.all(Array.from({ length: 200 }, () => admitted(target, "/chat", mint("ghost"))));
    for (const m of members) {
      m.send('42/chat,["room:join",{"room":"ghosts"}]');
    }
    await Promise.all(members.map(settled));
    members.forEach((m) => m.end());
    const ada = await connect(t, target, "/chat", "websocket");
    let count;
    do {
      ({ count } = await request(ada, "room:join", { room: "ghosts" }));
    } while (count > 1);
    await honest(t);
  });

  test("unknown polling of a dead session costs a 400 and no more", async (t) => {
    const { sid } = await poll(target);
    await post(target, { transport: "polling", sid }, "1");
    await get(target, { transport: "polling", sid }); // one that was on its way may still be told that there is nothing
    assert.equal((await get(target, { transport: "polling", sid })).status, 400);
    await honest(t);
  });

  test("no token, no session id and no panic is in the log", { skip: isReference && "the reference has no log" }, () => {
    const log = target.log.join("\n");
    assert.doesNotMatch(log, /eyJ[\w-]+\.[\w-]+\./, "a token");
    assert.doesNotMatch(log, /panic|goroutine \d+/i);
  });
});
