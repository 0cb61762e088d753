// Two hundred default clients in a busy room, whose connections are cut, silenced and delayed at random. Each message is
// accounted for: who was recovered got it once and in order, who was not was told. CUTTER_SECONDS says for how long.
import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { connect, patience, request } from "./support/client.mjs";
import { Proxy } from "./support/proxy.mjs";
import { isReference, startLab } from "./support/target.mjs";
import { mint } from "./support/token.mjs";

const seconds = Number(process.env.CUTTER_SECONDS ?? 20);
const members = 200;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const pick = (list) => list[Math.floor(Math.random() * list.length)];

const transports = [["polling"], ["websocket"], ["polling", "websocket"]];

// Member is a page: it joins when it is new, goes on when it was recovered, and holds every message against the last one.
class Member {
  faults = [];
  counts = { recovered: 0, anew: 0, received: 0 };
  joined = false; // the server has said so, in this session
  last = undefined; // the number of the newest message, in this session

  constructor(url, n) {
    this.socket = io(url + "/lab", {
      forceNew: true,
      transports: transports[n % transports.length],
      auth: { token: mint(`member-${n}`) },
      ...(n % 4 === 0 && { parser }),
    });
    let before = false;
    this.socket.on("connect", () => {
      if (before) {
        this.counts[this.socket.recovered ? "recovered" : "anew"]++;
      }
      before = true;
      if (!this.socket.recovered) {
        this.joined = false;
        this.last = undefined;
      }
      if (!this.joined) {
        this.socket.emit("join", "busy", () => (this.joined = true));
      }
    });
    this.socket.on("told", (data) => this.take(data));
  }

  take({ n, bytes }) {
    if (this.last !== undefined && n !== this.last + 1) {
      this.faults.push(`${n} after ${this.last}`);
    }
    if (bytes.length !== n % 7) {
      this.faults.push(`${n} came with ${bytes.length} bytes`);
    }
    this.last = n;
    this.counts.received++;
  }
}

async function eventually(holds) {
  for (const deadline = Date.now() + 2 * patience; Date.now() < deadline && !holds(); ) {
    await pause(50);
  }
}

// trouble breaks one connection after another.
async function trouble(proxy, until) {
  while (Date.now() < until) {
    const link = pick(proxy.links);
    const dice = Math.random();
    if (dice < 0.4) {
      link?.cut();
    } else if (dice < 0.6) {
      link?.silence();
    } else if (link) {
      link.late = Math.random() * 200;
    }
    await pause(30);
  }
}

test(`cut at random for ${seconds} s, every message is accounted for`, { skip: isReference && "Node's server has other limits", timeout: (seconds + 150) * 1000 }, async (t) => {
  const env = { GATEHOUSE_RECOVERY_FOR: "1m", GATEHOUSE_RECOVERY_MESSAGES: "4096" };
  const target = await startLab({ env, ping: { interval: 2000, timeout: 2000 } });
  const proxy = await Proxy.before(target);
  const all = Array.from({ length: members }, (_, n) => new Member(proxy.url, n));
  t.after(async () => {
    all.forEach((m) => m.socket.disconnect());
    await proxy.stop();
    await target.stop();
  });
  await eventually(() => all.every((m) => m.joined));
  const writer = await connect(t, target, "/lab", "websocket", { user: "writer" });

  let n = 0;
  const tell = () => request(writer, "tell", "busy", { n, bytes: Buffer.alloc(n++ % 7) });
  const until = Date.now() + seconds * 1000;
  const broken = trouble(proxy, until);
  while (Date.now() < until) {
    await tell();
    await pause(50);
  }
  await broken;

  // Everybody comes back, and gets the last message.
  const arrived = (m) => m.last === n - 1;
  await eventually(() => all.every((m) => m.socket.connected && m.joined));
  await tell();
  await eventually(() => all.every(arrived));
  const causes = target.log.filter((line) => line.includes('"not recovered"')).map((line) => JSON.parse(line).cause);
  const sum = (what) => all.reduce((total, m) => total + m.counts[what], 0);
  t.diagnostic(`${n} messages, ${sum("received")} received, ${sum("recovered")} returns recovered, ${sum("anew")} anew: ${causes}`);
  assert.deepEqual(all.flatMap((m, i) => m.faults.map((fault) => `member ${i}: ${fault}`)), []);
  assert.deepEqual(all.flatMap((m, i) => (arrived(m) ? [] : [`member ${i}: ${m.socket.connected}, joined ${m.joined}, at ${m.last} of ${n}`])), []);
  assert.ok(sum("recovered") > 0, "connections were cut");
  assert.ok(sum("anew") <= sum("recovered") / 20, `${sum("anew")} came back as new ones`);
});
