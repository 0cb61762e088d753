import type { Now, RefusedCount } from "./protocol.ts";

// How many pictures of the state are kept: one comes each second.
export const kept = 60;

export function keyOf(one: RefusedCount): string {
  return `${one.where} ${one.namespace ?? ""} ${one.code}`;
}

// Rates makes speeds of counters that only grow.
export class Rates {
  private readonly seen: Now[] = [];

  take(now: Now): void {
    const last = this.seen.at(-1);
    if (last && now.uptimeMs < last.uptimeMs) {
      this.seen.length = 0; // another process
    }
    this.seen.push(now);
    if (this.seen.length > kept + 1) {
      this.seen.shift();
    }
  }

  // How much a counter grew each second, the newest last.
  speeds(of: (now: Now) => number): number[] {
    return this.seen.slice(1).map((now, i) => {
      const before = this.seen[i] as Now;
      const seconds = Math.max((Date.parse(now.at) - Date.parse(before.at)) / 1000, 0.001);
      return Math.max(of(now) - of(before), 0) / seconds;
    });
  }

  levels(of: (now: Now) => number): number[] {
    return this.seen.map(of);
  }

  // How much it grew in the time that is kept: the last minute, or as long as the page is open.
  grown(of: (now: Now) => number): number {
    const first = this.seen[0];
    const last = this.seen.at(-1);
    return first && last ? Math.max(of(last) - of(first), 0) : 0;
  }
}

export function refusals(now: Now, matches: (one: RefusedCount) => boolean = () => true): number {
  return now.refused.filter(matches).reduce((sum, one) => sum + one.count, 0);
}
