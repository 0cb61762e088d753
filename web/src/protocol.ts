// The chat of the namespace /chat, as the server speaks it. events.ts is made from the server's handlers.

import type * as events from "./events.ts";

export type { ClientToServerEvents, Info, Joined, Member, ServerToClientEvents } from "./events.ts";

// The page shows messages of other servers, too: their ids may be numbers, and their times texts.
export type MessageId = string | number;
type Stamp = { id: MessageId; at: string | number };
export type Message = Omit<events.Message, keyof Stamp> & Stamp;
export type Accepted = Omit<events.Sent, keyof Stamp> & Stamp;
export type Failure = Pick<events.FailureCode, "code" | "message" | "retryAfterMs">;
export type Reply<T> = T | { ok: false; error: Failure };

// Causes that pass: the same can be tried again later, by itself.
const passing = ["rate_limited", "unavailable", "too_many_connections", "timeout"];

export function passes({ code, retryAfterMs }: Failure): boolean {
  return retryAfterMs !== undefined || passing.includes(code);
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
