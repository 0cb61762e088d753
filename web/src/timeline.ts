import { type Message, type MessageId, type MessageKey, identity } from "./protocol.ts";

// What is shown in a room, in order. A gap stands where messages were said that the server no longer has; one that is
// `first` stands before everything.
export type Entry = { kind: "message"; message: Message } | { kind: "gap"; key: string; first: boolean };

// Older messages are forgotten; the page shows a few hundred of them at once anyway.
export const maxEntries = 20_000;

// Timeline joins a room's history and its live messages into one list without gaps or doubles.
export class Timeline {
  private list: Entry[] = [];
  private readonly known = new Set<string>();
  private held: Message[] | undefined; // while a join is under way
  private gaps = 0;

  get entries(): readonly Entry[] {
    return this.list;
  }

  // What to ask the history from: the newest message seen.
  get lastId(): MessageId | undefined {
    return this.list.findLast((entry) => entry.kind === "message")?.message.id;
  }

  // From here on live messages wait for the history that belongs before them.
  joining(): void {
    this.held ??= [];
  }

  // The answer to a join. Returns the messages that were not known before, the held ones included.
  joined(history: readonly Message[], complete: boolean): Message[] {
    const missed = !complete && !history.some((message) => this.has(message));
    if (missed && this.list.at(-1)?.kind !== "gap") {
      this.list.push({ kind: "gap", key: `gap-${++this.gaps}`, first: this.list.length === 0 });
    }
    return this.release(history);
  }

  // The join failed or its answer will not come.
  notJoined(): Message[] {
    return this.release([]);
  }

  // A live message. Returns false when it was known, or waits for the answer to a join.
  live(message: Message): boolean {
    if (this.held) {
      this.held.push(message);
      return false;
    }
    return this.append(message);
  }

  has(message: MessageKey): boolean {
    return this.known.has(identity(message));
  }

  private release(history: readonly Message[]): Message[] {
    const held = this.held ?? [];
    this.held = undefined;
    return [...history, ...held].filter((message) => this.append(message));
  }

  private append(message: Message): boolean {
    if (this.has(message)) {
      return false;
    }
    this.known.add(identity(message));
    this.list.push({ kind: "message", message });
    if (this.list.length > maxEntries) {
      this.forget(this.list.length - maxEntries);
    }
    return true;
  }

  private forget(count: number): void {
    for (const entry of this.list.splice(0, count)) {
      if (entry.kind === "message") {
        this.known.delete(identity(entry.message));
      }
    }
  }
}
