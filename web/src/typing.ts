// How long a typing notice holds when no other follows it: the one that ends it is volatile and may be lost.
export const typingLasts = 6_000;
// How often one's own typing is told while it goes on.
const repeatAfter = 3_000;

// Typists are the others who type in a room just now.
export class Typists {
  private readonly until = new Map<string, number>();

  set(user: string, on: boolean, now: number): void {
    if (on) {
      this.until.set(user, now + typingLasts);
    } else {
      this.until.delete(user);
    }
  }

  // Who types at this moment; forgets the others.
  at(now: number): string[] {
    for (const [user, until] of this.until) {
      if (until <= now) {
        this.until.delete(user);
      }
    }
    return [...this.until.keys()];
  }

  clear(): void {
    this.until.clear();
  }
}

// OwnTyping decides when the others are told that this user types, and that it stopped.
export class OwnTyping {
  private room: string | undefined;
  private told = 0;

  // The draft of a room changed. Returns what to tell, in order.
  changed(room: string, empty: boolean, now: number): { room: string; on: boolean }[] {
    const notices = this.room !== undefined && this.room !== room ? this.stopped() : [];
    if (empty) {
      return [...notices, ...this.stopped()];
    }
    if (this.room === undefined || now - this.told >= repeatAfter) {
      this.room = room;
      this.told = now;
      notices.push({ room, on: true });
    }
    return notices;
  }

  // The message was sent, the room left, or nothing was typed for a while.
  stopped(): { room: string; on: boolean }[] {
    const room = this.room;
    this.room = undefined;
    return room === undefined ? [] : [{ room, on: false }];
  }
}

export interface Word {
  text: string;
  name?: boolean; // what may be shortened where there is no room
}

// What is said of those who type.
export function typingWords([first, second, ...others]: readonly string[]): Word[] {
  if (first === undefined) {
    return [];
  }
  if (second === undefined) {
    return [{ text: first, name: true }, { text: " is typing…" }];
  }
  if (others.length === 0) {
    return [{ text: first, name: true }, { text: " and " }, { text: second, name: true }, { text: " are typing…" }];
  }
  return [{ text: "Several people are typing…" }];
}
