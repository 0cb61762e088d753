// Engine.IO on the wire: handshakes, numbered errors, CORS, sizes, probe and heartbeat.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, request } from "./support/client.mjs";
import { isReference, startTarget } from "./support/target.mjs";
import { mint } from "./support/token.mjs";
import { admitted, Frames, get, http, path, poll, post, query, Stream } from "./support/wire.mjs";

const separator = "\x1e";

// errors are what Node answers, to the letter.
const errors = [
  { name: "an unknown transport", url: query({ transport: "pigeon" }), code: 0, message: "Transport unknown" },
  { name: "no transport", url: `${path}?EIO=4`, code: 0, message: "Transport unknown" },
  { name: "an unknown session", url: query({ transport: "polling", sid: "nobody" }), code: 1, message: "Session ID unknown" },
  { name: "a POST for a handshake", url: query({ transport: "polling" }), init: { method: "POST", body: "40" }, code: 2, message: "Bad handshake method" },
  { name: "a DELETE for a handshake", url: query({ transport: "polling" }), init: { method: "DELETE" }, code: 2, message: "Bad handshake method" },
  { name: "a WebSocket without its handshake", url: query({ transport: "websocket" }), code: 3, message: "Bad request" },
  { name: "EIO=3", url: `${path}?EIO=3&transport=polling`, code: 5, message: "Unsupported protocol version" },
  { name: "no EIO, which means 3", url: `${path}?transport=polling`, code: 5, message: "Unsupported protocol version" },
  { name: "EIO=5", url: `${path}?EIO=5&transport=polling`, code: 5, message: "Unsupported protocol version" },
];

describe("Engine.IO", () => {
  let target;
  before(async () => (target = await startTarget()));
  after(() => target?.stop());

  for (const { name, url, init, code, message } of errors) {
    test(`${name} gets error ${code}`, async () => {
      const answer = await http(target, url, init);
      assert.equal(answer.status, 400);
      assert.equal(answer.text, JSON.stringify({ code, message }));
      assert.match(answer.headers.get("content-type"), /^application\/json/);
    });
  }

  test("EIO=3 over WebSocket is refused before the upgrade", { skip: isReference && "Node writes 400 behind its 101" }, async () => {
    await assert.rejects(Frames.open(target, { EIO: "3" }), /400/);
  });

  test("a session of somebody else cannot be upgraded by guessing", async () => {
    await assert.rejects(Frames.open(target, { sid: "guessed" }), /400/);
  });

  test("another transport than the session's is a bad request", async () => {
    const { sid } = await poll(target);
    assert.equal((await http(target, query({ transport: "websocket", sid }))).text, '{"code":3,"message":"Bad request"}');
  });

  test("the handshake says what Node's says", async () => {
    const { sid, ...rest } = await poll(target);
    assert.match(sid, /^[\w.-]{20,}$/);
    assert.deepEqual(rest, { upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1_000_000 });
    const frames = await Frames.open(target);
    const { sid: other, ...same } = JSON.parse((await frames.next()).slice(1));
    frames.end();
    assert.notEqual(other, sid);
    assert.deepEqual(same, { ...rest, upgrades: [] });
  });

  test("2,000 sessions have 2,000 ids", async () => {
    const ids = new Set();
    for (let i = 0; i < 100; i++) {
      (await Promise.all(Array.from({ length: 20 }, () => poll(target)))).forEach(({ sid }) => ids.add(sid));
    }
    assert.equal(ids.size, 2000);
  });

  test("the path works without its last slash", { skip: isReference && "Node wants the slash" }, async () => {
    const answer = await http(target, query({ transport: "polling" }).replace("/?", "?"));
    assert.equal(answer.status, 200);
    assert.equal(answer.text[0], "0");
  });

  test("several packets travel in one polling body, both ways", async () => {
    const { sid } = await poll(target);
    const token = JSON.stringify({ token: mint("ada") });
    const sent = await post(target, { transport: "polling", sid }, [`40/echo,${token}`, `40/chat,${token}`].join(separator));
    assert.deepEqual([sent.status, sent.text], [200, "ok"]);
    const entered = [];
    while (entered.length < 2) {
      entered.push(...(await get(target, { transport: "polling", sid })).text.split(separator));
    }
    assert.deepEqual(entered.map((p) => p.slice(0, p.indexOf(","))).sort(), ["40/chat", "40/echo"]);
    await post(target, { transport: "polling", sid }, `451-/echo,7["echo",{"_placeholder":true,"num":0}]${separator}bAQID`);
    const { text } = await get(target, { transport: "polling", sid });
    assert.deepEqual(text.split(separator), ['461-/echo,7[{"_placeholder":true,"num":0}]', "bAQID"]);
  });

  test("a CLOSE packet ends the session and frees its poll", async () => {
    const { sid } = await poll(target);
    const waiting = get(target, { transport: "polling", sid });
    await post(target, { transport: "polling", sid }, "1");
    // The poll and the POST come over two connections: when the poll is the later one, there is no session any more.
    const unknown = '{"code":1,"message":"Session ID unknown"}';
    assert.ok(["1", "6", unknown].includes((await waiting).text));
    assert.equal((await get(target, { transport: "polling", sid })).text, unknown);
  });

  test("a second poll at once ends the session", async () => {
    const { sid } = await poll(target);
    const answers = await Promise.all([1, 2].map(() => get(target, { transport: "polling", sid })));
    assert.deepEqual(answers.map((a) => a.status).sort(), [200, 400]);
    assert.equal((await get(target, { transport: "polling", sid })).status, 400);
  });

  test("the probe: PONG with its text, a NOOP for the waiting poll, then the switch", async () => {
    const { sid } = await poll(target);
    await post(target, { transport: "polling", sid }, `40/echo,${JSON.stringify({ token: mint("ada") })}`);
    assert.match((await get(target, { transport: "polling", sid })).text, /^40\/echo,\{"sid":"[\w-]+"\}$/);
    const waiting = get(target, { transport: "polling", sid });
    const frames = await Frames.open(target, { sid });
    frames.send("2probe");
    assert.equal(await frames.next(), "3probe");
    assert.equal((await waiting).text, "6");
    frames.send("5", '42/echo,1["echo","over the new way"]');
    assert.equal(await frames.next(), '43/echo,1["over the new way"]');
    frames.end();
  });

  test("a probe that is none leaves the session where it was", async () => {
    const { sid } = await poll(target);
    const frames = await Frames.open(target, { sid });
    frames.send("2wrong");
    await frames.closed;
    await post(target, { transport: "polling", sid }, `40/echo,${JSON.stringify({ token: mint("ada") })}`);
    let text = "6";
    while (text === "6") {
      ({ text } = await get(target, { transport: "polling", sid }));
    }
    assert.match(text, /^40\/echo,/);
  });

  test("a request without Origin gets no CORS permission", async () => {
    const { headers } = await get(target, { transport: "polling" });
    assert.equal(headers.get("access-control-allow-origin"), null);
    assert.equal(headers.get("cache-control"), "no-store");
  });

  test("a listed origin is echoed, with credentials", async () => {
    const origin = "http://localhost:5173";
    for (const url of [query({ transport: "polling" }), query({ transport: "polling", sid: "nobody" })]) {
      const { headers } = await http(target, url, { headers: { origin } });
      assert.equal(headers.get("access-control-allow-origin"), origin);
      assert.equal(headers.get("access-control-allow-credentials"), "true");
      assert.match(headers.get("vary"), /Origin/);
    }
  });

  test("a preflight allows Authorization and Content-Type", async () => {
    const { status, headers } = await http(target, query({ transport: "polling" }), {
      method: "OPTIONS",
      headers: { origin: "http://localhost:5173", "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type" },
    });
    assert.equal(status, 204);
    assert.equal(headers.get("access-control-allow-origin"), "http://localhost:5173");
    assert.match(headers.get("access-control-allow-headers"), /authorization/i);
    assert.match(headers.get("access-control-allow-headers"), /content-type/i);
    assert.match(headers.get("access-control-allow-methods"), /POST/);
  });

  for (const origin of ["http://evil.example", "null", "http://localhost.evil.example", "file://"]) {
    test(`pages of ${origin} may not connect`, { skip: isReference && "Node leaves it to the browser" }, async () => {
      const polling = await get(target, { transport: "polling" }, { headers: { origin } });
      assert.equal(polling.status, 403);
      assert.equal(polling.headers.get("access-control-allow-origin"), null);
      await assert.rejects(Frames.open(target, {}, { origin }), /403/);
      const preflight = await http(target, query({ transport: "polling" }), {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      });
      assert.equal(preflight.headers.get("access-control-allow-origin"), null);
    });
  }

  test("a polling body over maxPayload gets 413", async () => {
    const { sid } = await poll(target);
    assert.equal((await post(target, { transport: "polling", sid }, "4".padEnd(1_000_001, "x"))).status, 413);
  });

  test("a chunked body over maxPayload gets 413", async () => {
    const { sid } = await poll(target);
    const stream = await Stream.open(target);
    stream.write(`POST ${query({ transport: "polling", sid })} HTTP/1.1\r\nHost: ${target.addr}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const chunk = Buffer.alloc(100_000, "x");
    for (let i = 0; i < 11; i++) {
      stream.write(`${chunk.length.toString(16)}\r\n`);
      stream.write(chunk);
      stream.write("\r\n");
    }
    await stream.until("HTTP/1.1 413");
    stream.end();
  });

  test("a message over maxPayload closes a WebSocket with 1009", async () => {
    const frames = await admitted(target, "/echo", mint("ada"));
    frames.send("4".padEnd(1_000_001, "x"));
    assert.equal((await frames.closed).code, 1009);
  });

  test("a message of nearly maxPayload passes", async (t) => {
    for (const mode of ["polling", "websocket"]) {
      const socket = await connect(t, target, "/echo", mode);
      const text = "x".repeat(999_000);
      assert.equal((await request(socket, "echo", text)).length, text.length);
    }
  });

  test("a stranger may send 64 KiB at most", { skip: isReference && "Node trusts strangers" }, async () => {
    const frames = await Frames.open(target);
    frames.send(`40/echo,{"token":"${"x".repeat(70_000)}"}`);
    assert.equal((await frames.closed).code, 1009);
  });
});

describe("the heartbeat", () => {
  let target;
  before(async () => (target = await startTarget({ ping: { interval: 200, timeout: 400 } })));
  after(() => target?.stop());

  test("the server pings, and who answers stays", async () => {
    const frames = await admitted(target, "/echo", mint("ada"));
    for (let i = 0; i < 5; i++) {
      await frames.find((m) => m === "2"); // find answers it
    }
    frames.send('42/echo,1["echo","alive"]');
    assert.equal(await frames.find((m) => String(m).startsWith("43")), '43/echo,1["alive"]');
    frames.end();
  });

  test("a polling session that answers no ping is gone", async () => {
    const { sid } = await poll(target);
    let answer;
    do {
      answer = await get(target, { transport: "polling", sid });
    } while (answer.status === 200 && answer.text !== "1");
    answer = await get(target, { transport: "polling", sid });
    assert.equal(answer.text, '{"code":1,"message":"Session ID unknown"}');
  });

  test("the real client lives through many of them, over each transport", async (t) => {
    for (const mode of ["polling", "websocket", "upgrade"]) {
      const socket = await connect(t, target, "/echo", mode);
      let beats = 0;
      await new Promise((resolve) => socket.io.on("ping", () => ++beats === 4 && resolve()));
      assert.equal(await request(socket, "echo", mode), mode);
    }
  });
});
