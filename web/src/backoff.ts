const first = 1_000;
const longest = 15_000;

// How long to wait before the attempt that follows `failures` failed ones, in milliseconds. Half of it is
// left to chance, so that the clients of a restarted server do not all come back in the same moment. When the
// server has asked for a pause, the wait is not shorter, and for the same reason up to a quarter longer.
export function delayAfter(failures: number, random: () => number, asked = 0): number {
  const delay = Math.min(longest, first * 2 ** Math.min(failures, 10));
  return Math.round(Math.max(delay * (0.5 + random() / 2), asked * (1 + random() / 4)));
}
