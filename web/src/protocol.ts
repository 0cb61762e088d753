// The chat of the namespace /chat, as the server speaks it.

export type MessageId = string | number;

export interface Message {
  id: MessageId;
  room: string;
  from: string; // the user
  name: string; // what the user is called
  text: string;
  at: string | number;
  nonce?: string; // what the sender called it before it had an id
}

export interface Member {
  user: string;
  name: string;
}

export interface Failure {
  code: string;
  message: string;
  retryAfterMs?: number;
}

// Causes that pass: the same can be tried again later, by itself.
const passing = ["rate_limited", "unavailable", "too_many_connections", "timeout"];

export function passes({ code, retryAfterMs }: Failure): boolean {
  return retryAfterMs !== undefined || passing.includes(code);
}

export type Reply<T> = ({ ok: true } & T) | { ok: false; error: Failure };

export interface Joined {
  count: number;
  members: Member[] | null; // the first hundred of them
  history: Message[] | null;
  complete: boolean; // the history reaches back to `since`
}

export interface Info {
  user: string; // who the server takes this client for
  name: string;
  limits: { text: number }; // characters of a message
}

export interface Accepted {
  id: MessageId;
  at: string | number;
}

export interface ServerEvents {
  message: (message: Message) => void;
  "member:joined": (change: Member & { room: string }) => void;
  "member:left": (change: Member & { room: string }) => void;
  typing: (change: { room: string; user: string; on: boolean }) => void;
  "auth:expiring": (notice: { expiresAt: string | number }) => void;
  "auth:revoked": (notice: { reason?: string }) => void;
}

export interface ClientEvents {
  "room:join": (request: { room: string; since?: MessageId }, ack: (reply: Reply<Joined>) => void) => void;
  info: (request: object, ack: (reply: Reply<Info>) => void) => void;
  "room:leave": (request: { room: string }, ack: (reply: Reply<object>) => void) => void;
  "message:send": (
    request: { room: string; text: string; nonce: string },
    ack: (reply: Reply<Accepted>) => void,
  ) => void;
  typing: (notice: { room: string; on: boolean }) => void;
  "auth:refresh": (request: { token: string }, ack: (reply: Reply<{ expiresAt: string | number }>) => void) => void;
}

export type MessageKey = Pick<Message, "id" | "at">;

// What a message is known by. A server that lost its history may count from the start again: the same id
// at another time is another message.
export function identity({ id, at }: MessageKey): string {
  return `${id} ${at}`;
}

// The issuer of a user who is not of the server's home issuer: such users are called @issuer/subject.
export function issuerOf(user: string): string | undefined {
  const issuer = /^@([^/]*)\//.exec(user)?.[1];
  try {
    return issuer === undefined ? undefined : decodeURIComponent(issuer) || "another sign-in";
  } catch {
    return issuer;
  }
}

// Times come as RFC 3339 or as milliseconds since 1970; here they are the latter.
export function toMillis(at: string | number): number {
  const millis = typeof at === "number" ? at : Date.parse(at);
  return Number.isFinite(millis) ? millis : 0;
}
