import type { Outgoing } from "./outbox.ts";
import { type Message, type MessageId, toMillis } from "./protocol.ts";
import type { Entry } from "./timeline.ts";

export type Status = "queued" | "sending" | "sent" | "delivered" | "failed";

export interface MessageRow {
  kind: "message";
  key: string;
  id?: string;
  nonce?: string;
  from: string;
  name: string;
  text: string;
  at: number;
  own: boolean;
  first: boolean; // of its group: shows who speaks
  status?: Status; // of one's own messages
  error?: { code: string; message: string };
}

export type Row = MessageRow | { kind: "gap"; key: string; first: boolean } | { kind: "day"; key: string; at: number };

export interface Me {
  user: string;
  name: string;
}

// Messages of one sender stay together for this long, and up to so many: then the name is said again, so that one is in
// sight.
const groupFor = 5 * 60_000;
const groupOf = 8;

// The part of a room's timeline that is shown, and whether that is its beginning and its end.
export interface Run {
  entries: readonly Entry[];
  oldest: boolean;
  newest: boolean;
}

// What the list shows, top to bottom: a run of the timeline, in it what was refused then, and below it what waits to be
// delivered.
export function rowsOf({ entries, oldest, newest }: Run, outgoing: readonly Outgoing[], me: Me): Row[] {
  const rows: Row[] = [];
  const refused = outgoing.filter(({ state }) => state === "failed").map((entry) => ({ entry, place: placeOf(entry, entries) }));
  const pushRefused = (place: number) =>
    refused.filter((one) => one.place === place).forEach(({ entry }) => push(rows, waiting(entry, me)));
  if (oldest) {
    pushRefused(-1);
  }
  entries.forEach((entry, place) => {
    if (entry.kind === "gap") {
      rows.push(entry);
    } else {
      push(rows, received(entry.message, me));
    }
    if (newest || place < entries.length - 1) {
      pushRefused(place);
    }
  });
  for (const entry of newest ? outgoing.filter(({ state }) => state !== "failed") : []) {
    push(rows, waiting(entry, me));
  }
  return rows;
}

// The place of a refused message is behind what was the newest when it was refused, or behind what is left of that time.
function placeOf({ after }: Outgoing, entries: readonly Entry[]): number {
  return after === undefined ? -1 : entries.findLastIndex((entry) => entry.kind === "message" && isUpTo(entry.message.id, after));
}

// Ids grow: as texts, or as numbers where they are numbers.
function isUpTo(id: MessageId, other: MessageId): boolean {
  return id <= other;
}

function push(rows: Row[], row: MessageRow): void {
  const before = rows.findLast((other) => other.kind === "message");
  if (!before || !sameDay(before.at, row.at)) {
    rows.push({ kind: "day", key: `day-before-${row.key}`, at: row.at });
  } else if (before === rows.at(-1)) {
    row.first = before.from !== row.from || row.at - before.at > groupFor || isFull(rows);
  }
  rows.push(row);
}

// Whether the group at the end has no place for another message.
function isFull(rows: readonly Row[]): boolean {
  return rows.slice(-groupOf).every((row, i) => row.kind === "message" && (i === 0 || !row.first)) && rows.length >= groupOf;
}

// One's own message keeps its row when it comes back from the server: the nonce is its key before and after.
function received(message: Message, me: Me): MessageRow {
  const own = message.from === me.user;
  const row: MessageRow = {
    kind: "message",
    key: own && message.nonce ? `nonce-${message.nonce}` : `id-${message.id}-${message.at}`,
    id: String(message.id),
    from: message.from,
    name: message.name,
    text: message.text,
    at: toMillis(message.at),
    own,
    first: true,
  };
  if (own) row.status = "delivered";
  if (own && message.nonce) row.nonce = message.nonce;
  return row;
}

function waiting(entry: Outgoing, me: Me): MessageRow {
  const row: MessageRow = {
    kind: "message",
    key: `nonce-${entry.nonce}`,
    nonce: entry.nonce,
    from: me.user,
    name: me.name,
    text: entry.text,
    at: entry.at,
    own: true,
    first: true,
    status: entry.state,
  };
  if (entry.error) row.error = entry.error;
  return row;
}

function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}
