import type { Keep } from "./keep.ts";

// Drafts keeps over a reload what is written in each room and not sent yet.
export class Drafts {
  private readonly keep: Keep;
  private readonly key: string;
  private readonly texts: Map<string, string>;

  constructor(keep: Keep, key: string) {
    this.keep = keep;
    this.key = key;
    this.texts = new Map(this.load());
  }

  of(room: string): string {
    return this.texts.get(room) ?? "";
  }

  set(room: string, text: string): void {
    if (text === this.of(room)) {
      return;
    }
    if (text === "") {
      this.texts.delete(room);
    } else {
      this.texts.set(room, text);
    }
    try {
      this.keep.setItem(this.key, JSON.stringify([...this.texts]));
    } catch {
      // Storage is full or forbidden: the draft still lives as long as the page.
    }
  }

  private load(): [string, string][] {
    try {
      const stored: unknown = JSON.parse(this.keep.getItem(this.key) ?? "[]");
      return Array.isArray(stored) ? stored.filter(isDraft) : [];
    } catch {
      return [];
    }
  }
}

function isDraft(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
}
