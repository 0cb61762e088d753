// A fleet of three nodes, Redis with a replica, and clients in busy rooms; nodes are killed, Redis fails over and links are
// cut meanwhile. In the end every message is accounted for, everybody is there, and nobody else.
import { fork } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { roundRobin, startNode, until } from "../support/fleet.mjs";
import { account } from "./ledger.mjs";
import { Pair } from "./redis.mjs";

const pause = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const apiKey = "the key of a soak in a test, which nobody else has";
const patience = 120_000; // ms until who is away stays away, and who is there is a ghost

const env = {
  GATEHOUSE_RECOVERY_FOR: "1m",
  GATEHOUSE_RECOVERY_MESSAGES: "4096",
  GATEHOUSE_CLUSTER_PATIENCE: "30s", // one that goes on alone and is killed then takes along what it has promised
  GATEHOUSE_API_SECRET: apiKey,
};

// soak runs until what is planned is done and the time is over, and returns what happened: {rows, faults}. options: clients,
// rooms, processes; rate, messages a second of all; seconds; killEvery, failoverEvery (s) and cutEvery (ms), 0 is never;
// least, the share of those who come back that is to be recovered; plant, names of faults that the soak makes itself; patience, ms that the end may take for each of its questions;
// keep, a file that gets all that is known when something is at fault.
export async function soak(options, say = () => {}) {
  const redis = await Pair.start();
  const stage = { options, story: [], started: [], redis, nodes: [], crowds: [], tally: { killed: 0, crashed: 0, handedOver: 0, cut: 0, silenced: 0 }, failovers: [] };
  stage.say = (what) => {
    stage.story.push({ at: Date.now(), what });
    say(what);
  };
  try {
    stage.env = { ...env, GATEHOUSE_REDIS_URL: `redis://${redis.addr}` };
    stage.nodes = await Promise.all([1, 2, 3].map(() => start(stage)));
    stage.proxy = await roundRobin(stage.nodes.map((node) => node.addr));
    await play(stage);
    return await judge(stage);
  } finally {
    [...stage.crowds, ...(stage.haunting ?? [])].forEach((crowd) => crowd.child.kill("SIGKILL"));
    await stage.proxy?.stop();
    await Promise.all(stage.nodes.map((node) => node.stop()));
    await redis.stop();
  }
}

async function start(stage) {
  const node = await startNode(stage.env, { interval: 5000, timeout: 5000 });
  stage.started.push(node);
  return node;
}

async function play(stage) {
  const { options, proxy } = stage;
  const share = Math.ceil(options.clients / options.processes);
  for (let first = 0; first < options.clients; first += share) {
    const crowd = new Crowd();
    stage.crowds.push(crowd);
    const count = Math.min(share, options.clients - first);
    const every = (1000 * options.clients) / (options.rate * count);
    await crowd.ask("begin", { url: proxy.url, first, count, rooms: options.rooms, every, plant: options.plant });
  }
  await until(async () => (await away(stage)).length === 0, patience);
  stage.say("everybody is there");
  const over = Date.now() + options.seconds * 1000;
  const cuts = options.cutEvery > 0 && setInterval(() => cut(stage), options.cutEvery);
  for (const step of plan(options)) {
    await pause(over - options.seconds * 1000 + step.at * 1000 - Date.now());
    await step.do(stage);
  }
  await pause(over - Date.now());
  clearInterval(cuts);
}

// plan lists what is done when, in seconds from the beginning. A failover comes a moment after a killing: it meets a
// node that has just started, and the replica has what the dead node has written, which nobody could tell of otherwise.
function plan({ seconds, killEvery, failoverEvery }) {
  const steps = [];
  for (let at = killEvery; at > 0 && at < seconds; at += killEvery) steps.push({ at, do: kill });
  for (let at = failoverEvery / 2; at > 0 && at < seconds; at += failoverEvery) steps.push({ at: at + 1, do: failOver });
  return steps.sort((a, b) => a.at - b.at);
}

async function kill(stage) {
  const i = stage.tally.killed++ % stage.nodes.length;
  const { addr } = stage.nodes[i];
  stage.say(`node ${i} is about to be killed`);
  await stage.nodes[i].stop();
  stage.proxy.targets.splice(stage.proxy.targets.indexOf(addr), 1);
  stage.say(`node ${i} is killed`);
  stage.nodes[i] = await start(stage);
  stage.proxy.targets.push(stage.nodes[i].addr);
}

// failOver lets Redis crash or hand over, in turn.
async function failOver(stage) {
  stage.say("redis is about to fail over");
  if (stage.tally.crashed <= stage.tally.handedOver) {
    stage.tally.crashed++;
    stage.failovers.push(await stage.redis.crash());
  } else {
    stage.tally.handedOver++;
    await stage.redis.handOver();
  }
  stage.say("redis has failed over");
}

function cut({ proxy, tally }) {
  const link = pick(proxy.links);
  if (!link) return;
  if (Math.random() < 0.7) {
    tally.cut++;
    link.destroy();
  } else {
    tally.silenced++;
    link.pause(); // nothing more is read from the client, nor by it
    link.cork();
  }
}

const away = async (stage) => (await Promise.all(stage.crowds.map((crowd) => crowd.ask("here")))).flat();

async function judge(stage) {
  const { options } = stage;
  const faults = [];
  await all(stage, "hush");
  const note = async (what, look) => {
    let left = [];
    await until(async () => (left = await look()).length === 0, options.patience ?? patience);
    stage.say(`${left.length} ${what}`);
    faults.push(...left.map((one) => `${what}: ${JSON.stringify(one)}`));
  };
  await note("away", () => away(stage));
  const rooms = Array.from({ length: options.rooms }, (_, i) => `busy-${i}`);
  const last = {};
  for (const crowd of stage.crowds) Object.assign(last, await crowd.ask("close", rooms.filter((room) => !last[room])));
  await note("without the last message", async () => (await all(stage, "without", last)).flat());
  if (options.plant.includes("ghost")) await haunt(stage);
  await note("in a room and not, on one of the nodes", () => ghosts(stage, rooms));
  const reports = await all(stage, "report");
  await all(stage, "leave");
  const [sent, stays] = ["sent", "stays"].map((what) => reports.flatMap((report) => report[what]));
  faults.push(...account({ sent, stays, failovers: stage.failovers }));
  if (faults.length > 0 && options.keep) await keep(stage, { faults, sent, stays });
  const sum = (name) => reports.reduce((total, report) => total + report.counts[name], 0);
  return verdict(stage, { sent, stays, faults, recovered: sum("recovered"), anew: sum("anew") });
}

// keep writes down what each client and each node has seen, to find out what happened.
async function keep({ options, story, started, failovers }, seen) {
  const nodes = started.map(({ addr, log }) => ({ addr, log }));
  await writeFile(options.keep, JSON.stringify({ ...seen, story, failovers, nodes }));
}

const all = (stage, word, value) => Promise.all(stage.crowds.map((crowd) => crowd.ask(word, value)));

function verdict({ tally, options }, { sent, stays, faults, ...returns }) {
  const share = returns.recovered / Math.max(1, returns.recovered + returns.anew);
  if (share < options.least) faults.push(`${(100 * share).toFixed(2)} % of the returns were recovered`);
  const total = (list, of) => list.reduce((n, one) => n + of(one), 0);
  const rows = [
    ["clients", options.clients],
    ["nodes killed", tally.killed],
    ["Redis crashed", tally.crashed],
    ["Redis handed over", tally.handedOver],
    ["links cut", tally.cut],
    ["links silenced", tally.silenced],
    ["messages sent", sent.length],
    ["acknowledged", sent.filter((m) => m.acked).length],
    ["received", total(stays, (stay) => stay.got.length)],
    ["sessions", stays.length],
    ["missing operations that clients were told of", total(stays, (stay) => stay.told)],
    ["returns recovered", returns.recovered],
    ["returns that were told that they were not", returns.anew],
    [`recovered, in percent (at least ${100 * options.least})`, (100 * share).toFixed(2)],
    ["not accounted for", faults.length],
  ];
  return { rows, faults, tally, returns };
}

// ghosts asks the API of every node who is in the rooms, and returns who should not be, or is not.
async function ghosts(stage, rooms) {
  const members = (await all(stage, "ids")).flat();
  const found = [];
  for (const node of stage.nodes) {
    for (const room of rooms) {
      const want = new Set(members.filter((m) => m.room === room).map((m) => m.id));
      const there = new Set(await listed(node, room));
      const apart = [...want, ...there].filter((id) => want.has(id) !== there.has(id));
      found.push(...apart.map((id) => ({ room, node: node.addr, id, listed: there.has(id) })));
    }
  }
  return found;
}

async function listed(node, room) {
  const answer = await fetch(`${node.url}/api/v1/namespaces/%2Flab/sockets?limit=1000&room=${room}`, { headers: { authorization: `Bearer ${apiKey}` } });
  return (await answer.json()).sockets.map((socket) => socket.id);
}

// haunt has somebody in a room who is no member.
async function haunt(stage) {
  const crowd = new Crowd();
  await crowd.ask("begin", { url: stage.proxy.url, first: 0, count: 1, rooms: 1, every: 1e6, plant: [] });
  await until(async () => (await crowd.ask("here")).length === 0, patience);
  stage.haunting = [crowd];
}

// Crowd is a process of clients.
class Crowd {
  #asked = new Map();
  #last = 0;

  constructor() {
    this.child = fork(fileURLToPath(new URL("crowd.mjs", import.meta.url)), { serialization: "advanced" });
    this.child.on("message", ({ ask, answer }) => {
      this.#asked.get(ask).resolve(answer);
      this.#asked.delete(ask);
    });
    this.child.on("exit", (code) => this.#asked.forEach(({ reject }) => reject(new Error(`a process of clients has ended: ${code}`))));
  }

  ask(word, value) {
    const ask = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#asked.set(ask, { resolve, reject });
      this.child.send({ ask, word, with: value });
    });
  }
}
