import type { Member } from "./protocol.ts";

// Members are the users of one room. The server lists the first hundred and counts them all.
export class Members {
  private readonly names = new Map<string, string>();
  count = 0;

  get list(): Member[] {
    return [...this.names].map(([user, name]) => ({ user, name })).sort((a, b) => a.name.localeCompare(b.name));
  }

  // How many are in the room and not in the list.
  get unlisted(): number {
    return Math.max(0, this.count - this.names.size);
  }

  replace(count: number, members: readonly Member[]): void {
    this.names.clear();
    for (const { user, name } of members) {
      this.names.set(user, name);
    }
    this.count = Math.max(count, this.names.size);
  }

  clear(): void {
    this.replace(0, []);
  }

  joined({ user, name }: Member): void {
    if (!this.names.has(user)) {
      this.count++;
    }
    this.names.set(user, name);
  }

  left({ user }: { user: string }): void {
    const hidden = this.unlisted > 0;
    if (this.names.delete(user) || hidden) {
      this.count--;
    }
  }

  nameOf(user: string): string | undefined {
    return this.names.get(user);
  }
}
