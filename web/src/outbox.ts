import type { Keep } from "./keep.ts";
import { type Failure, type Message, type MessageId, type MessageKey, identity } from "./protocol.ts";

// queued: waits for a connection; sending: on its way, no answer yet; sent: the server has acknowledged it;
// failed: the server has refused it, and only the user can decide what becomes of it.
export type OutgoingState = "queued" | "sending" | "sent" | "failed";

export interface Outgoing {
  readonly nonce: string;
  readonly room: string;
  readonly text: string;
  readonly at: number; // when it was typed, in milliseconds
  state: OutgoingState;
  identity?: string; // of the message that it became, once acknowledged
  error?: Failure;
  after?: MessageId; // the newest message of the room when this one was refused; none was there when it is missing
  cuts?: number; // how often in a row the connection ended over it
}

// So many connections a message may end before it is set aside: it could keep all others from being sent.
const mostCuts = 2;

// More than this nobody types while offline; past it `add` refuses.
export const maxOutgoing = 200;

// Outbox holds what the user has typed until the server has shown that it has it. A message keeps its
// nonce through every attempt, so that one which arrived without its acknowledgement is not said twice.
// Per room there is at most one on its way: the next leaves when this one is answered, which keeps the
// order whatever fails in between. Everything that the server may not have is kept over a reload.
export class Outbox {
  private list: Outgoing[];
  private readonly keep: Keep;
  private readonly key: string;
  private readonly newNonce: () => string;

  constructor(keep: Keep, key: string, newNonce: () => string) {
    this.keep = keep;
    this.key = key;
    this.newNonce = newNonce;
    this.list = this.load();
  }

  // Undefined when the outbox is full.
  add(room: string, text: string, at: number): Outgoing | undefined {
    if (this.list.length >= maxOutgoing) {
      return undefined;
    }
    const entry: Outgoing = { nonce: this.newNonce(), room, text, at, state: "queued" };
    this.list.push(entry);
    this.save();
    return entry;
  }

  has(room: string, nonce: string): boolean {
    return this.find(nonce)?.room === room;
  }

  // The messages of a room that the server has not echoed yet, oldest first.
  entries(room: string): readonly Outgoing[] {
    return this.list.filter((entry) => entry.room === room);
  }

  rooms(): string[] {
    return [...new Set(this.list.map((entry) => entry.room))];
  }

  // How many wait for a connection or an answer.
  get waiting(): number {
    return this.list.filter((entry) => entry.state === "queued" || entry.state === "sending").length;
  }

  // Takes the oldest waiting message of a room, unless another one of the room is on its way.
  next(room: string): Outgoing | undefined {
    const entries = this.entries(room);
    if (entries.some((entry) => entry.state === "sending")) {
      return undefined;
    }
    const entry = entries.find((candidate) => candidate.state === "queued");
    if (entry) {
      entry.state = "sending";
      this.save();
    }
    return entry;
  }

  acknowledged(nonce: string, as: MessageKey): void {
    const entry = this.find(nonce);
    if (entry) {
      entry.identity = identity(as);
      this.set(nonce, "sent");
    }
  }

  // A message of this user was seen in its room: what it was here is done. A history may come without
  // nonces; then the acknowledgement has told which message it is.
  seen(message: Message): void {
    const entry = this.list.find(
      (candidate) =>
        candidate.room === message.room &&
        (candidate.nonce === message.nonce || candidate.identity === identity(message)),
    );
    if (entry) {
      this.drop(entry.nonce);
    }
  }

  // `after` is the newest message of the room: the refused one keeps its place behind it.
  refused(nonce: string, error: Failure, after?: MessageId): void {
    const entry = this.find(nonce);
    if (entry && after !== undefined) {
      entry.after = after;
    }
    this.set(nonce, "failed", error);
  }

  // No answer came: it may have arrived or not, and goes out again under the same nonce.
  unanswered(nonce: string): void {
    if (this.find(nonce)?.state === "sending") {
      this.set(nonce, "queued");
    }
  }

  // The connection ended: what was on its way waits again, at its old place. `cut` says that nothing is known
  // which would have ended it besides what was sent; returned is what has done so too often.
  interrupted(cut = false): Outgoing[] {
    const suspects: Outgoing[] = [];
    for (const entry of this.list.filter(({ state }) => state === "sending")) {
      entry.state = "queued";
      if (cut) {
        entry.cuts = (entry.cuts ?? 0) + 1;
      }
      if ((entry.cuts ?? 0) >= mostCuts) {
        suspects.push(entry);
      }
    }
    this.save();
    return suspects;
  }

  // A refused message again, now as the newest of its room.
  retry(nonce: string): void {
    const entry = this.find(nonce);
    if (entry?.state !== "failed") {
      return;
    }
    this.list = this.list.filter((other) => other !== entry);
    this.list.push({ nonce, room: entry.room, text: entry.text, at: entry.at, state: "queued" });
    this.save();
  }

  // The user gave it up.
  drop(nonce: string): void {
    if (this.find(nonce)) {
      this.list = this.list.filter((entry) => entry.nonce !== nonce);
      this.save();
    }
  }

  private find(nonce: string): Outgoing | undefined {
    return this.list.find((entry) => entry.nonce === nonce);
  }

  private set(nonce: string, state: OutgoingState, error?: Failure): void {
    const entry = this.find(nonce);
    if (!entry) {
      return; // seen in its room meanwhile
    }
    entry.state = state;
    if (error) {
      entry.error = error;
    } else {
      delete entry.error;
    }
    this.save();
  }

  private save(): void {
    const unsure = this.list.filter((entry) => entry.state !== "sent");
    try {
      this.keep.setItem(this.key, JSON.stringify(unsure));
    } catch {
      // Storage is full or forbidden: the queue still lives as long as the page.
    }
  }

  private load(): Outgoing[] {
    let stored: unknown;
    try {
      stored = JSON.parse(this.keep.getItem(this.key) ?? "[]");
    } catch {
      return [];
    }
    const list = Array.isArray(stored) ? stored.filter(isOutgoing) : [];
    return list.map((entry) => (entry.state === "sending" ? { ...entry, state: "queued" } : entry));
  }
}

function isOutgoing(value: unknown): value is Outgoing {
  const entry = value as Partial<Outgoing> | null;
  return (
    typeof entry?.nonce === "string" &&
    typeof entry.room === "string" &&
    typeof entry.text === "string" &&
    typeof entry.at === "number" &&
    ["queued", "sending", "failed"].includes(entry.state ?? "")
  );
}
