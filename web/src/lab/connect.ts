import { type ManagerOptions, type SocketOptions, io } from "socket.io-client";

import { Failure, type Identity, type Outcome, handshakeRefused, refusal } from "./outcome.ts";
import type { Wire } from "./wire.ts";

const patience = 8_000;

export interface Attempt {
  namespace: string;
  options?: Partial<ManagerOptions & SocketOptions>;
  headers?: string[]; // that the browser adds to the handshake, for the record
  upgraded?: boolean; // wait until the WebSocket has taken over
}

type Engine = ReturnType<typeof io>["io"]["engine"];
type Packet = { type: string; data?: unknown };

const digits: Record<string, string> = { open: "0", close: "1", ping: "2", pong: "3", message: "4", upgrade: "5", noop: "6" };

// Connects with the real client, asks who it is, and goes.
export async function connect(wire: Wire, { namespace, options = {}, headers = [], upgraded = false }: Attempt): Promise<Outcome> {
  const socket = io(namespace, { ...options, forceNew: true, reconnection: false, autoConnect: false, timeout: patience });
  socket.connect();
  const { engine } = socket.io;
  record(wire, engine, headers);
  try {
    const refused = await new Promise<Outcome | undefined>((resolve) => {
      socket.on("connect", () => resolve(undefined));
      socket.on("connect_error", (error) => resolve(refusal(error)));
    });
    if (refused) {
      return refused;
    }
    if (upgraded && engine.transport.name === "polling") {
      await new Promise((resolve) => engine.once("upgrade", resolve).once("upgradeError", resolve));
    }
    const identity = (await socket.timeout(patience).emitWithAck("whoami")) as Identity;
    return { kind: "admitted", identity, transport: engine.transport.name };
  } finally {
    socket.disconnect();
  }
}

// The client's packets as they are on the wire. Heartbeats and what only keeps a poll alive are left out.
function record(wire: Wire, engine: Engine, headers: string[]): void {
  wire.out(`GET ${address(engine)}`, ...headers);
  const show = (say: (text: string) => void) => (packet: Packet) => {
    if (packet.type === "open" || packet.type === "message") {
      say(`${digits[packet.type]}${String(packet.data)}`);
    }
  };
  engine.on("packet", show((text) => wire.in(text)));
  engine.on("packetCreate", show((text) => wire.out(text)));
  engine.on("upgrade", () => wire.note(`The WebSocket takes over: GET ${address(engine)}`));
}

function address(engine: Engine): string {
  const { uri } = engine.transport as unknown as { uri: () => string };
  const url = new URL(uri.call(engine.transport));
  return `${url.pathname}${url.search}`;
}

// Does the same without the client: the few lines of Engine.IO and Socket.IO that it takes.
export async function bare(wire: Wire, namespace: string, protocols: string[]): Promise<Outcome> {
  const path = "/socket.io/?EIO=4&transport=websocket";
  wire.out(`GET ${path}`, `Sec-WebSocket-Protocol: ${protocols.join(", ")}`);
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}${path}`, protocols);
  const timer = setTimeout(() => socket.close(), patience);
  const send = (text: string) => {
    wire.out(text);
    socket.send(text);
  };
  try {
    return await new Promise<Outcome>((resolve) => {
      socket.onopen = () => wire.in(`101 Switching Protocols, Sec-WebSocket-Protocol: ${socket.protocol}`);
      socket.onclose = () => resolve(handshakeRefused());
      socket.onmessage = ({ data }) => {
        const outcome = converse(String(data), namespace, send, wire);
        if (outcome) {
          resolve(outcome);
        }
      };
    });
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

function converse(text: string, namespace: string, send: (text: string) => void, wire: Wire): Outcome | undefined {
  if (text === "2") {
    send("3");
    return undefined;
  }
  wire.in(text);
  const payload = text.slice(`40${namespace},`.length);
  if (text.startsWith("0")) {
    send(`40${namespace},`);
  } else if (text.startsWith(`40${namespace},`)) {
    send(`42${namespace},0["whoami"]`);
  } else if (text.startsWith(`43${namespace},0`)) {
    const [identity] = JSON.parse(payload.slice(1)) as [Identity];
    return { kind: "admitted", identity, transport: "websocket" };
  } else if (text.startsWith(`44${namespace},`)) {
    return refusal(JSON.parse(payload) as { message: string });
  }
  return undefined;
}

// One HTTP request of the page, on the record.
export async function ask(wire: Wire, method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<unknown> {
  wire.out(`${method} ${path}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`));
  const response = await fetch(path, { method, headers, signal: AbortSignal.timeout(patience), ...(body === undefined ? {} : { body }) });
  if (!response.ok) {
    throw new Failure(`${method} ${path} was answered with ${response.status}.`);
  }
  return response.status === 204 ? undefined : await response.json();
}
