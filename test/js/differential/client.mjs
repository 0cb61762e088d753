// Steps of the real client: what an application sees.
import { connect, connected, event, modes, open, refusal, request } from "../support/client.mjs";
import { expired, mint } from "../support/token.mjs";

const values = [null, true, 0, -1.5, "text", "\u2028 🏰", [], {}, { a: [{ b: 1 }] }, Buffer.from([0, 255]), { nested: [Buffer.from("x"), { y: Buffer.alloc(0) }] }, new Date(0), [new Date(1e12), undefined, NaN], { u: undefined, i: Infinity }, new Uint8Array([1, 2]), { deep: [{ a: new ArrayBuffer(2) }, [Buffer.from("z")]] }];

// steps is a name and a function (t, target, mode) each; what it returns is the transcript.
const steps = {
  "refusals": async (t, target, mode) => {
    const seen = [];
    for (const [namespace, auth] of [["/echo", undefined], ["/echo", { token: "x" }], ["/echo", { token: expired("ada") }], ["/nowhere", {}]]) {
      const { message, data } = await refusal(t, target, namespace, mode, { auth });
      seen.push({ message, data });
    }
    return seen;
  },
  "echo": async (t, target, mode) => {
    const socket = await connect(t, target, "/echo", mode);
    const answers = [];
    for (const value of values) {
      answers.push(await request(socket, "echo", value));
    }
    answers.push(await new Promise((resolve) => socket.emit("echo", 1, "two", Buffer.from("three"), (...args) => resolve(args))));
    return answers;
  },
  "an unknown event": async (t, target, mode) => {
    const socket = await connect(t, target, "/echo", mode);
    let answer = "none";
    socket.emit("none", 1, (given) => (answer = given));
    await request(socket, "echo", "behind it");
    return answer;
  },
  "a chat": async (t, target, mode) => {
    const room = `chat-${mode}`;
    const [ada, bob] = [await connect(t, target, "/chat", mode, { user: "ada" }), await connect(t, target, "/chat", mode, { user: "bob" })];
    const transcript = [];
    for (const [name, socket] of Object.entries({ ada, bob })) {
      socket.onAny((...args) => transcript.push([name, ...args]));
    }
    const ask = async (socket, name, payload) => transcript.push([name, await request(socket, name, payload)]);
    await ask(ada, "room:join", { room });
    await both(ask(bob, "room:join", { room }), event(ada, "member:joined"));
    await both(ask(ada, "message:send", { room, text: "hello", nonce: "1" }), event(bob, "message"));
    await ask(ada, "message:send", { room, text: "hello", nonce: "1" });
    await both(ask(bob, "message:send", { room, text: "hi" }), event(ada, "message"));
    const typing = event(bob, "typing");
    ada.emit("typing", { room, on: true });
    await typing;
    await both(ask(bob, "room:leave", { room }), event(ada, "member:left"));
    await ask(ada, "room:leave", { room });
    const late = await connect(t, target, "/chat", mode, { user: "late" });
    transcript.push(["late", await request(late, "room:join", { room })]);
    // What reaches different sockets has no order among them.
    return transcript.map((entry) => JSON.stringify(entry)).sort().map((entry) => JSON.parse(entry));
  },
  "leaving": async (t, target, mode) => {
    const socket = await connect(t, target, "/echo", mode);
    const ended = event(socket, "disconnect");
    socket.disconnect();
    const first = [(await ended)[0], socket.active];
    await connected(socket.connect());
    return [...first, await request(socket, "echo", "again")];
  },
};

const labSteps = {
  "forbidden": async (t, target, mode) => {
    const { message, data } = await refusal(t, target, "/guarded", mode, { auth: { token: mint("ada") } });
    return { message, data };
  },
  "a refusal with data": async (t, target, mode) => {
    const { message, data } = await refusal(t, target, "/guarded", mode, { auth: { token: mint("debtor") } });
    return { message, data };
  },
  "what sockets can do besides": async (t, target, mode) => {
    const user = `devices-${mode}`;
    const heard = [];
    const on = { device: (text) => heard.push(text), quiet: (text) => heard.push(text), sent: (text) => heard.push(text) };
    const [one, two] = [await connect(t, target, "/lab", mode, { user, on }), await connect(t, target, "/lab", mode, { user, on })];
    const answers = [await request(one, 7), await request(one, "optional"), await request(one, "optional", null), await request(one, "optional", "x")];
    answers.push(mode === "upgrade" || await request(one, "transport"), await request(one, "join", "a"), await request(one, "leave all"));
    answers.push(await request(one, "quietly", "q"), await both(request(one, "devices", "d"), event(two, "device")));
    return { answers, heard: heard.sort() };
  },
  "requests of the server": async (t, target, mode) => {
    const socket = await connect(t, target, "/lab", mode, { on: { question: (text, ack) => ack(`${text}!`) } });
    return [await request(socket, "ask", "why"), await request(socket, "join", "a"), await request(socket, "survey", "a")];
  },
  "a greeting": async (t, target, mode) => {
    const socket = open(target, "/greeter", mode, { auth: { token: mint("ada") } });
    t.after(() => socket.disconnect());
    const heard = [];
    socket.onAny((name, ...args) => heard.push([name, args.filter((arg) => typeof arg !== "function")]));
    socket.on("hello", (_, ack) => ack("me"));
    await event(socket, "greeted");
    return heard;
  },
  "pushed binary": async (t, target, mode) => {
    const socket = await connect(t, target, "/lab", mode);
    const pushed = event(socket, "pushed");
    socket.emit("push");
    return pushed;
  },
  "endings": async (t, target, mode) => {
    const watcher = await connect(t, target, "/lab", "websocket", { user: "watcher" });
    await request(watcher, "join", "watchers");
    const seen = [];
    for (const end of [(s) => s.emit("kick"), (s) => s.emit("kick:transport"), (s) => s.disconnect(), (s) => s.io.engine.close()]) {
      const socket = await connect(t, target, "/lab", mode, { user: "ender" });
      await request(socket, "join", "a");
      const ended = Promise.all([event(socket, "disconnect"), event(watcher, "gone", { where: (g) => g.user === "ender" })]);
      end(socket);
      const [[reason], [gone]] = await ended;
      seen.push({ reason, active: socket.active, gone });
    }
    return seen;
  },
};

const both = (...promises) => Promise.all(promises);

const overEach = (table) => Object.fromEntries(modes.flatMap((mode) => Object.entries(table).map(([name, step]) => [`${name} over ${mode}`, (target, t) => step(t, target, mode)])));

export const application = overEach(steps);
export const lab = overEach(labSteps);
