import type { Outgoing } from "./outbox.ts";
import { type Message, toMillis } from "./protocol.ts";
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

export type Row = MessageRow | { kind: "gap"; key: string } | { kind: "day"; key: string; at: number };

export interface Me {
  user: string;
  name: string;
}

// Messages of one sender stay together for this long.
const groupFor = 5 * 60_000;

// What the list shows, top to bottom: a run of the timeline and, below it, what waits to be delivered.
export function rowsOf(entries: readonly Entry[], outgoing: readonly Outgoing[], me: Me): Row[] {
  const rows: Row[] = [];
  for (const entry of entries) {
    if (entry.kind === "gap") {
      rows.push(entry);
    } else {
      push(rows, received(entry.message, me));
    }
  }
  for (const entry of outgoing) {
    push(rows, waiting(entry, me));
  }
  return rows;
}

function push(rows: Row[], row: MessageRow): void {
  const before = rows.findLast((other) => other.kind === "message");
  if (!before || !sameDay(before.at, row.at)) {
    rows.push({ kind: "day", key: `day-before-${row.key}`, at: row.at });
  } else if (before === rows.at(-1)) {
    row.first = before.from !== row.from || row.at - before.at > groupFor;
  }
  rows.push(row);
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
