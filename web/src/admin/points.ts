// The line below a number.
export const width = 120;
export const height = 28;

// The line ends at the right; it is flat at the bottom while nothing happens.
export function points(levels: number[]): string {
  const most = Math.max(...levels, 1);
  const step = width / 59;
  return levels.map((level, i) => `${(width - (levels.length - 1 - i) * step).toFixed(1)},${(height - 2 - (level / most) * (height - 4)).toFixed(1)}`).join(" ");
}
