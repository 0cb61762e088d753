// A process of the soak's clients: default ones, that talk in rooms and keep what they hear. The parent says what to do and
// gets an answer for each word.
import { modes, open } from "../../js/support/client.mjs";
import { mint } from "../../js/support/token.mjs";

const asByDefault = { reconnection: true, timeout: 20_000 };
const answerLimit = 30_000; // ms until a message counts as not acknowledged

class Member {
  stays = []; // one for each session: what was received in it
  sent = [];
  counts = { recovered: 0, anew: 0 };
  spoken = 0;
  heard = 0; // messages
  #plants;

  constructor({ url, n, room, plants }) {
    this.n = n;
    this.room = room;
    this.#plants = plants;
    this.socket = open({ url }, "/lab", modes[n % modes.length], { ...asByDefault, auth: { token: mint(`member-${n}`) } });
    this.socket.on("connect", () => this.#come());
    this.socket.on("disconnect", (why) => this.stay?.way.push({ at: Date.now(), lost: why }));
    this.socket.on("told", ({ id }, offset) => this.#take(id, offset));
    this.socket.on("missed", (operations) => {
      if (this.stay) this.stay.told += operations;
    });
  }

  get here() {
    return this.socket.connected && this.stay?.joined !== undefined;
  }

  #come() {
    if (this.stay) this.counts[this.socket.recovered ? "recovered" : "anew"]++;
    if (!this.stay || !this.socket.recovered) {
      this.stay = { member: this.n, room: this.room, got: [], told: 0, way: [] };
      this.stays.push(this.stay);
    }
    this.stay.way.push({ at: Date.now(), came: this.socket.io.engine.id, recovered: this.socket.recovered });
    if (this.stay.joined === undefined) this.#join(this.stay);
  }

  #join(stay) {
    this.socket.timeout(answerLimit).emit("join", this.room, (err) => {
      if (!err) stay.joined = Date.now();
      else if (this.stay === stay && this.socket.connected) this.#join(stay);
    });
  }

  #take(id, offset) {
    const { loss, repeat } = this.#plants;
    this.heard++;
    if (loss && this.heard === 5) return;
    this.stay?.got.push({ id, at: Date.now(), offset });
    if (repeat && this.heard === 5) this.stay?.got.push({ id, at: Date.now() });
  }

  // speak sends a message to the room and resolves with whether it was acknowledged.
  speak() {
    const message = { id: `${this.n}.${++this.spoken}`, room: this.room, at: Date.now() };
    this.sent.push(message);
    return new Promise((done) => {
      this.socket.timeout(answerLimit).emit("tell", this.room, { id: message.id }, (err) => {
        if (!err) message.acked = Date.now();
        done(!err && message);
      });
    });
  }

  // has says whether a message has come, or the member was told that it may not: it began a new stay after it was sent.
  has({ id, at }) {
    return this.here && (this.stay.joined > at || this.stay.got.some((one) => one.id === id));
  }
}

let members = [];
let talking;

const words = {
  begin({ url, first, count, rooms, every, plant }) {
    for (let i = first; i < first + count; i++) {
      const plants = { loss: plant.includes("loss") && i === 1, repeat: plant.includes("repeat") && i === 2 };
      members.push(new Member({ url, n: i, room: `busy-${i % rooms}`, plants }));
    }
    talking = setInterval(() => {
      const one = members[Math.floor(Math.random() * members.length)];
      if (one.here) one.speak();
    }, every);
  },
  hush: () => clearInterval(talking),
  here: () => members.filter((m) => !m.here).map((m) => ({ n: m.n, connected: m.socket.connected })),
  ids: () => members.map((m) => ({ room: m.room, id: m.socket.id })),
  // close has the first member of each room that is asked for speak, until it is acknowledged.
  async close(rooms) {
    const last = {};
    for (const room of rooms) {
      const speaker = members.find((m) => m.room === room && m.here);
      while (speaker && !last[room]) last[room] = await speaker.speak();
    }
    return last;
  },
  without: (last) => members.filter((m) => !m.has(last[m.room])).map((m) => ({ n: m.n, room: m.room, connected: m.socket.connected })),
  report() {
    const counts = { recovered: 0, anew: 0 };
    for (const m of members) for (const name of Object.keys(counts)) counts[name] += m.counts[name];
    const stays = members.flatMap((m) => m.stays.filter((stay) => stay.joined !== undefined));
    return { counts, stays, sent: members.flatMap((m) => m.sent) };
  },
  leave() {
    members.forEach((m) => m.socket.disconnect());
    members = [];
  },
};

process.on("message", async ({ ask, word, with: value }) => process.send({ ask, answer: (await words[word](value)) ?? null }));
process.on("disconnect", () => process.exit(0));
