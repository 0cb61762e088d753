// Steps on the wire: what bytes go out, what bytes come back.
import { expired, mint } from "../support/token.mjs";
import { Frames, get, http, path, poll, post, query } from "../support/wire.mjs";
import { talk } from "./talk.mjs";

const answer = ({ status, headers, text }) => ({ status, type: headers.get("content-type"), text });
const enter = (namespace = "/echo") => `40${namespace},${JSON.stringify({ token: mint("ada") })}`;

export const handshakes = {
  "polling handshake": async (target) => answer(await get(target, { transport: "polling" })),
  "WebSocket handshake": (target) => talk(target, []),
  "unknown transport": async (target) => answer(await http(target, query({ transport: "pigeon" }))),
  "no transport": async (target) => answer(await http(target, `${path}?EIO=4`)),
  "unknown session": async (target) => answer(await get(target, { transport: "polling", sid: "nobody" })),
  "POST to an unknown session": async (target) => answer(await post(target, { transport: "polling", sid: "nobody" }, "2")),
  "POST for a handshake": async (target) => answer(await post(target, { transport: "polling" }, "40")),
  "plain GET for a WebSocket": async (target) => answer(await get(target, { transport: "websocket" })),
  "EIO=3": async (target) => answer(await http(target, `${path}?EIO=3&transport=polling`)),
  "no EIO": async (target) => answer(await http(target, `${path}?transport=polling`)),
  "EIO=3 over WebSocket": (target) => refusedUpgrade(target, { EIO: "3" }),
  "unknown session over WebSocket": (target) => refusedUpgrade(target, { sid: "nobody" }),
  "WebSocket of transport=polling": (target) => refusedUpgrade(target, { transport: "polling" }),
  "path without its last slash": async (target) => (await http(target, query({ transport: "polling" }).replace("/?", "?"))).status,
  "a path below": async (target) => answer(await http(target, query({ transport: "polling" }).replace("/?", "/anything/?"))),
  "allowed origin": async (target) => cors(await get(target, { transport: "polling" }, { headers: { origin: "http://localhost:5173" } })),
  "preflight": async (target) =>
    cors(
      await http(target, query({ transport: "polling" }), {
        method: "OPTIONS",
        headers: { origin: "http://localhost:5173", "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type" },
      }),
    ),
};

async function refusedUpgrade(target, params) {
  try {
    const frames = await Frames.open(target, params);
    const first = await frames.next();
    frames.end();
    return { upgraded: true, first };
  } catch (err) {
    return { upgraded: false, error: err.message };
  }
}

const cors = ({ status, headers }) => ({
  status,
  origin: headers.get("access-control-allow-origin"),
  credentials: headers.get("access-control-allow-credentials"),
  headers: headers.get("access-control-allow-headers"),
  methods: headers.get("access-control-allow-methods"),
});

export const polling = {
  "enter, ask and leave": async (target) => {
    const session = await pollingSession(target);
    return [await session.send(enter()), await session.poll(), await session.send('42/echo,1["echo","a",{"b":[1]}]'), await session.poll(), await session.send("41/echo,")];
  },
  "binary": async (target) => {
    const session = await pollingSession(target);
    await session.send(enter());
    await session.poll();
    await session.send('451-/echo,1["echo",{"_placeholder":true,"num":0}]\x1ebAQID');
    return session.poll();
  },
  "two refusals in one poll": async (target) => {
    const session = await pollingSession(target);
    await session.send("40/nowhere,\x1e40/elsewhere,");
    return session.poll();
  },
  "two polls at once": async (target) => {
    const session = await pollingSession(target);
    const answers = await Promise.all([session.get(), session.get()]);
    return answers.map(answer).sort((a, b) => a.status - b.status);
  },
  "a broken body": async (target) => answer(await (await pollingSession(target)).post("zzz")),
  "a body over maxPayload": async (target) => (await (await pollingSession(target)).post("4".padEnd(1_000_001, "x"))).status,
  "probe and upgrade": async (target) => {
    const session = await pollingSession(target);
    await session.send(enter());
    const entered = await session.poll();
    const waiting = session.poll();
    const frames = await Frames.open(target, { sid: session.sid });
    frames.send("2probe");
    const probed = [await frames.next(), await waiting];
    frames.send("5", '42/echo,1["echo",1]');
    const echoed = await frames.next();
    const after = answer(await session.get());
    frames.end();
    return { entered, probed, echoed, after };
  },
};

async function pollingSession(target) {
  const { sid } = await poll(target);
  const params = { transport: "polling", sid };
  return {
    sid,
    get: () => get(target, params),
    post: (body) => post(target, params, body),
    poll: async () => (await get(target, params)).text,
    send: async (body) => answer(await post(target, params, body)),
  };
}

// A conversation's end says whether the server closed; with which code is a step of its own, because all of these differ in it.
export const conversations = {
  "enter": (t) => talk(t, [enter()]),
  "enter without a token": (t) => talk(t, ["40/echo,"]),
  "enter with an empty payload": (t) => talk(t, ["40/echo,{}"]),
  "enter with an invalid token": (t) => talk(t, ['40/echo,{"token":"x"}']),
  "enter with an expired token": (t) => talk(t, [`40/echo,${JSON.stringify({ token: expired("ada") })}`]),
  "enter an unknown namespace": (t) => talk(t, ["40/nowhere,{}"]),
  "enter the main namespace": (t) => talk(t, [`40${JSON.stringify({ token: mint("ada") })}`]),
  "enter with a query": (t) => talk(t, [enter().replace("/echo", "/echo?a=b")]),
  "enter twice": (t) => talk(t, [enter(), enter()]),
  "enter, say something, enter again": (t) => talk(t, [enter(), '42/echo,["echo",1]', enter()]),
  "enter two namespaces": (t) => talk(t, [enter("/echo"), enter("/chat")]),
  "enter, leave, enter again": (t) => talk(t, [enter(), "41/echo,", "40/nowhere,{}", enter()]), // Node loses the socket when leave and enter come in one piece
  "an event": (t) => talk(t, [enter(), '42/echo,["echo",1]']),
  "an event with an id": (t) => talk(t, [enter(), '42/echo,7["echo",1,"two",null,[3]]']),
  "an event without arguments": (t) => talk(t, [enter(), '42/echo,7["echo"]']),
  "an unknown event": (t) => talk(t, [enter(), '42/echo,7["none"]', '42/echo,8["echo"]']),
  "binary": (t) => talk(t, [enter(), '451-/echo,7["echo",{"_placeholder":true,"num":0}]', Buffer.from([1, 2])]),
  "binary without an id": (t) => talk(t, [enter(), '451-/echo,["echo",{"_placeholder":true,"num":0}]', Buffer.from([1, 2])]),
  "an acknowledgement that nobody asked for": (t) => talk(t, [enter(), "43/echo,5[1]"]),
  "an event before entering": (t) => talk(t, ['42/echo,1["echo"]']),
  "an event of another namespace": (t) => talk(t, [enter(), '42/chat,1["echo"]']),
  "leave what was not entered": (t) => talk(t, [enter(), "41/chat,"]),
  "a reserved event": (t) => talk(t, [enter(), '42/echo,1["connect"]']),
  "an event with a number for a name": (t) => talk(t, [enter(), "42/echo,1[7]"]),
  "an event that is no array": (t) => talk(t, [enter(), "42/echo,1{}"]),
  "broken JSON": (t) => talk(t, [enter(), '42/echo,1["echo"']),
  "an unknown packet type": (t) => talk(t, [enter(), "47/echo,"]),
  "an empty message": (t) => talk(t, [enter(), "4"]),
  "an unknown Engine.IO type": (t) => talk(t, [enter(), "9"]),
  "text where an attachment is due": (t) => talk(t, [enter(), '451-/echo,1["echo",{"_placeholder":true,"num":0}]', '42/echo,2["echo"]']),
  "an attachment that nobody announced": (t) => talk(t, [enter(), Buffer.from([1])]),
  "eleven attachments": (t) => talk(t, [enter(), `4511-/echo,1["echo"${',{"_placeholder":true,"num":0}'.repeat(11)}]`]),
  "a namespace's CONNECT_ERROR from a client": (t) => talk(t, [enter(), '44/echo,{"message":"x"}']),
  "a CLOSE": (t) => talk(t, [enter(), "1"]),
  "a PING from a client": (t) => talk(t, [enter(), "2"]),
  "a NOOP from a client": (t) => talk(t, [enter(), "6"]),
};
