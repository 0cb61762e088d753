const first = 1_000;
const longest = 15_000;

// How long to wait before the attempt that follows `failures` failed ones, in milliseconds. Half of it is
// left to chance, so that the clients of a restarted server do not all come back in the same moment.
export function delayAfter(failures: number, random: () => number): number {
  const delay = Math.min(longest, first * 2 ** Math.min(failures, 10));
  return Math.round(delay * (0.5 + random() / 2));
}
