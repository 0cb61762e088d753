import { type Socket, io } from "socket.io-client";

import { delayAfter } from "./backoff.ts";
import { explainRefusal } from "./errors.ts";
import { type ClientToServerEvents, type Failure, type ServerToClientEvents, passes } from "./protocol.ts";

export type ChatSocket = Socket<ServerToClientEvents, ClientToServerEvents>;

export type ConnectionState =
  | { kind: "connecting"; again: boolean } // again: after an attempt that failed
  | { kind: "connected"; transport: string }
  | { kind: "waiting"; until: number; reason: string } // for the next attempt
  | { kind: "offline" } // so says the browser; the next attempt is made when it says otherwise
  | { kind: "refused"; failure: Failure; until: number }; // stays so until the user asks again

export interface ConnectionOptions {
  token: () => Promise<string>;
  transports?: string[];
  changed: (state: ConnectionState) => void;
}

// Connection keeps one socket to /chat open. It does the reconnecting itself, in place of the client's
// manager, for three reasons: the page shows when the next attempt is due, an attempt can be asked for
// before that, and a refusal ends the attempts instead of repeating them, unless its cause passes.
export class Connection {
  readonly socket: ChatSocket;
  state: ConnectionState = { kind: "connecting", again: false };

  maxPayload = Infinity; // bytes of a message, as the server says
  cut = false; // the last connection ended without a cause that is known

  private readonly changed: (state: ConnectionState) => void;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private revoked: string | undefined;
  private readonly online = () => this.state.kind !== "refused" && this.now();
  private readonly offline = () => this.retryLater("this device is offline");

  constructor({ token, transports, changed }: ConnectionOptions) {
    this.changed = changed;
    this.socket = io("/chat", {
      auth: (send) => void token().then((value) => send({ token: value })),
      autoConnect: false,
      reconnection: false,
      forceNew: true,
      ...(transports ? { transports } : {}),
    });
    this.listen();
    addEventListener("online", this.online);
    addEventListener("offline", this.offline);
  }

  // Connects at once, whatever the connection was waiting for.
  now(): void {
    if (this.socket.connected) {
      return;
    }
    clearTimeout(this.timer);
    this.revoked = undefined;
    this.set({ kind: "connecting", again: this.failures > 0 });
    this.socket.connect();
    this.socket.io.engine.once("handshake", ({ maxPayload }) => {
      this.maxPayload = maxPayload > 0 ? maxPayload : Infinity;
    });
  }

  // Connects again in a while: what the next connection needs cannot be had now.
  later(reason: string): void {
    this.socket.disconnect();
    this.set({ kind: "connecting", again: true });
    this.retryLater(reason);
  }

  close(): void {
    clearTimeout(this.timer);
    removeEventListener("online", this.online);
    removeEventListener("offline", this.offline);
    this.socket.off();
    this.socket.disconnect();
  }

  private listen(): void {
    this.socket.on("connect", () => this.connected());
    this.socket.on("connect_error", (error) => this.failed(error));
    this.socket.on("disconnect", (reason, details) => this.ended(reason, details));
    this.socket.on("auth:revoked", (notice) => {
      this.revoked = notice?.reason ?? "";
    });
  }

  private connected(): void {
    this.failures = 0;
    this.cut = false;
    const { engine } = this.socket.io;
    const show = () => this.set({ kind: "connected", transport: engine.transport.name });
    engine.once("upgrade", show);
    show();
  }

  // The socket stays active when its transport failed, and does not when the server refused it.
  private failed(error: Error): void {
    const failure = this.socket.active ? refusedHandshake(error) : refusedNamespace(error);
    if (failure && passes(failure)) {
      this.socket.disconnect();
      this.retryLater(inWords(failure), failure.retryAfterMs);
    } else if (failure) {
      this.refused(failure);
    } else {
      this.retryLater("the server cannot be reached");
    }
  }

  private ended(reason: string, details: unknown): void {
    if (reason === "io client disconnect") {
      return;
    }
    this.cut = !endIsKnown(reason, details);
    if (!this.socket.active) {
      const code = this.revoked === undefined ? "disconnected" : "revoked";
      this.refused({ code, message: this.revoked ?? "" });
      return;
    }
    this.retryLater(endInWords(reason, details));
  }

  private refused(failure: Failure): void {
    clearTimeout(this.timer);
    this.socket.disconnect();
    this.set({ kind: "refused", failure, until: Date.now() + (failure.retryAfterMs ?? 0) });
  }

  private retryLater(reason: string, asked?: number): void {
    if (this.state.kind === "refused" || this.socket.connected) {
      return;
    }
    clearTimeout(this.timer);
    const delay = delayAfter(this.failures++, Math.random, asked);
    this.timer = setTimeout(() => this.now(), delay);
    this.set(navigator.onLine ? { kind: "waiting", until: Date.now() + delay, reason } : { kind: "offline" });
  }

  private set(state: ConnectionState): void {
    this.state = state;
    this.changed(state);
  }
}

// CONNECT_ERROR: {message, data: {code, retryAfterMs?}}. Only an unknown namespace comes without data.
function refusedNamespace(error: Error & { data?: Partial<Failure> }): Failure {
  const { data } = error;
  const code = data?.code ?? (error.message === "Invalid namespace" ? "invalid_namespace" : "");
  const failure: Failure = { code, message: error.message };
  if (typeof data?.retryAfterMs === "number") {
    failure.retryAfterMs = data.retryAfterMs;
  }
  return failure;
}

// A handshake answered with 401 or 403 will be so again; 429 and 503 ask to come back later. Only polling
// tells the page which of them it was.
function refusedHandshake(error: Error & { description?: unknown }): Failure | undefined {
  switch (error.description) {
    case 401:
      return { code: "unauthenticated", message: error.message };
    case 403:
      return { code: "origin_forbidden", message: error.message };
    default:
      return undefined;
  }
}

// The title of the refusal, as a part of a sentence.
function inWords(failure: Failure): string {
  const { title } = explainRefusal(failure);
  return title.charAt(0).toLowerCase() + title.slice(1);
}

const announced = [1001, 1012, 1013]; // going away, restarting, busy

// Whether something else than what the page has sent is known to have ended the connection.
function endIsKnown(reason: string, details: unknown): boolean {
  return !navigator.onLine || reason === "ping timeout" || announced.includes(closeCode(details) as number);
}

function closeCode(details: unknown): unknown {
  return (details as { context?: { code?: unknown } } | undefined)?.context?.code;
}

// The close code tells why a server ended the transport (RFC 6455, section 7.4.1).
function endInWords(reason: string, details: unknown): string {
  switch (closeCode(details)) {
    case 1001:
    case 1012:
      return "the server is restarting";
    case 1013:
      return "the server is busy";
    default:
      return reason === "ping timeout" ? "the server stopped answering" : "the connection was lost";
  }
}
