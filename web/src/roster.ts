import type { Keep } from "./keep.ts";
import { type Room, newRoom } from "./room.ts";

const suggestions = ["lobby", "help", "random"];

// Roster is the list of rooms that this user knows. It remembers over a reload which of them were joined.
export class Roster {
  private readonly list: Room[] = [];
  private readonly keep: Keep;
  private readonly key: string;

  // More names may be given of rooms to be joined.
  constructor(keep: Keep, key: string, joined: readonly string[]) {
    this.keep = keep;
    this.key = key;
    for (const name of [...this.load(), ...joined]) {
      this.room(name).phase = "joining";
    }
    for (const name of suggestions) {
      this.room(name);
    }
  }

  get rooms(): readonly Room[] {
    return this.list;
  }

  find(name: string): Room | undefined {
    return this.list.find((room) => room.name === name);
  }

  // The room of that name, added when there is none.
  room(name: string): Room {
    const known = this.find(name);
    if (known) {
      return known;
    }
    const room = newRoom(name);
    this.list.push(room);
    return room;
  }

  save(): void {
    const joined = this.list.filter((room) => room.phase !== "left").map((room) => room.name);
    try {
      this.keep.setItem(this.key, JSON.stringify(joined));
    } catch {
      // A reload will forget the rooms, and nothing else.
    }
  }

  private load(): string[] {
    try {
      const saved: unknown = JSON.parse(this.keep.getItem(this.key) ?? "[]");
      return Array.isArray(saved) ? saved.filter((name) => typeof name === "string") : [];
    } catch {
      return [];
    }
  }
}
