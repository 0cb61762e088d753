// Engine.IO spoken by hand, for what the real client never sends.
import { once } from "node:events";
import { connect as tcp } from "node:net";
import WebSocket from "ws";

export const path = "/socket.io/";

export const query = (params) => `${path}?${new URLSearchParams({ EIO: "4", ...params })}`;

// get and post give status, headers and text of one request.
export async function get(target, params, init = {}) {
  return http(target, query(params), init);
}

export async function post(target, params, body, init = {}) {
  return http(target, query(params), { method: "POST", body, headers: { "content-type": "text/plain;charset=UTF-8" }, ...init });
}

export async function http(target, url, init = {}) {
  const response = await fetch(target.url + url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

// poll opens a polling session and gives its handshake.
export async function poll(target) {
  const { status, text } = await get(target, { transport: "polling" });
  if (status !== 200) {
    throw new Error(`handshake refused: ${status} ${text}`);
  }
  return JSON.parse(text.slice(1));
}

// Frames is a raw WebSocket whose messages can be awaited in order.
export class Frames {
  static async open(target, params = {}, options = {}) {
    const url = target.url.replace("http", "ws") + query({ transport: "websocket", ...params });
    const frames = new Frames(new WebSocket(url, { perMessageDeflate: false, ...options }));
    await frames.opened;
    return frames;
  }

  constructor(socket) {
    this.socket = socket;
    this.opened = once(socket, "open");
    this.waiting = [];
    this.arrived = [];
    this.closed = new Promise((resolve) => socket.once("close", (code, reason) => resolve({ code, reason: String(reason) })));
    socket.on("message", (data, binary) => this.#deliver(binary ? data : String(data)));
    socket.on("error", () => {}); // the close event follows and says what matters
    this.closed.then(() => this.#deliver(undefined));
  }

  #deliver(message) {
    const taker = this.waiting.shift();
    taker ? taker(message) : this.arrived.push(message);
  }

  // next resolves with the next message, or undefined once closed.
  next() {
    return this.arrived.length > 0 ? Promise.resolve(this.arrived.shift()) : new Promise((resolve) => this.waiting.push(resolve));
  }

  // find reads on until a message passes, answering the server's pings like any client.
  async find(wanted) {
    for (;;) {
      const message = await this.next();
      if (message === undefined) {
        throw new Error("closed before the message came");
      }
      if (message === "2") {
        this.send("3");
      }
      if (wanted(message)) {
        return message;
      }
    }
  }

  send(...messages) {
    messages.forEach((message) => this.socket.send(message));
  }

  end() {
    this.socket.terminate();
  }
}

// admitted gives a raw WebSocket that has entered a namespace.
export async function admitted(target, namespace, token) {
  const frames = await Frames.open(target);
  await frames.find((m) => m[0] === "0");
  frames.send(`40${namespace},${JSON.stringify({ token })}`);
  await frames.find((m) => String(m).startsWith(`40${namespace},`));
  return frames;
}

// Stream is a bare TCP connection: for bytes that no library would write.
export class Stream {
  static async open(target) {
    const { hostname, port } = new URL(target.url);
    const socket = tcp(Number(port), hostname);
    await once(socket, "connect");
    return new Stream(socket);
  }

  constructor(socket) {
    this.socket = socket;
    this.text = "";
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.on("data", (data) => (this.text += data.toString("latin1")));
  }

  // until resolves with all that came so far once it holds a text.
  async until(wanted) {
    while (!this.text.includes(wanted)) {
      await Promise.race([once(this.socket, "data"), this.closed.then(() => Promise.reject(new Error(`closed after ${JSON.stringify(this.text)}`)))]);
    }
    return this.text;
  }

  write(data) {
    this.socket.write(data);
  }

  end() {
    this.socket.destroy();
  }
}

// upgraded gives a bare TCP connection after a WebSocket handshake.
export async function upgraded(target, params = {}) {
  const stream = await Stream.open(target);
  const lines = [
    `GET ${query({ transport: "websocket", ...params })} HTTP/1.1`,
    `Host: ${target.addr}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  stream.write(`${lines.join("\r\n")}\r\n\r\n`);
  await stream.until("101 ");
  return stream;
}

// frame builds one WebSocket frame. All of it can be wrong on purpose.
export function frame(payload, { opcode = 1, fin = true, masked = true, rsv = 0, length } = {}) {
  const data = Buffer.from(payload);
  const size = length ?? data.length;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const bit = masked ? 0x80 : 0;
  const sized = size < 126 ? [bit | size] : size < 65536 ? [bit | 126, size >> 8, size & 255] : [bit | 127, 0, 0, 0, 0, ...bytes32(size)];
  const mask = masked ? [1, 2, 3, 4] : [];
  const body = masked ? data.map((b, i) => b ^ mask[i % 4]) : data;
  return Buffer.concat([Buffer.from([...head, ...sized, ...mask]), body]);
}

const bytes32 = (n) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
