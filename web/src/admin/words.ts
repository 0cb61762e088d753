// Numbers, times and codes in plain words.

const codes: Record<string, string> = {
  unauthenticated: "Brought no credential",
  token_invalid: "The token is not valid",
  token_expired: "The token has expired",
  ticket_invalid: "The ticket was used before, or is too old",
  origin_forbidden: "The origin of the page is not allowed",
  forbidden: "Is known, but may not come in here",
  rate_limited: "Tried too often",
  too_many_connections: "Too many connections",
  unavailable: "The server could not decide",
  invalid_namespace: "There is no such namespace",
  unknown_session: "This node does not have the session",
  unknown_transport: "There is no such transport",
  unsupported_version: "An old version of the protocol",
  bad_request: "The request cannot be read",
  bad_method: "The method is neither GET nor POST",
};

// What a code of a refusal means; the code itself when it is an application's.
export function wordsOf(code: string): string {
  return codes[code] ?? code;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function count(n: number): string {
  return Math.abs(n) < 100_000 ? whole.format(n) : short.format(n);
}

// A rate below ten has a decimal.
export function rate(n: number): string {
  return n > 0 && n < 10 ? n.toFixed(1) : count(n);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 ? n : n.toFixed(n < 10 ? 1 : 0)} ${units[unit]}`;
}

export function duration(ms: number): string {
  const seconds = Math.max(Math.round(ms / 1000), 0);
  if (seconds < 60) {
    return plural(seconds, "second");
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return plural(minutes, "minute");
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? plural(hours, "hour") : plural(Math.floor(hours / 24), "day");
}

// The time of day; with the date when that is another one.
export function clock(at: string, now = new Date()): string {
  const then = new Date(at);
  const time = then.toLocaleTimeString("en-GB");
  return then.toDateString() === now.toDateString() ? time : `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}
