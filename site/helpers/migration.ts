// Looks at the options of an io() call and says what stays as it is with Gatehouse, and what changes. The text is read, never
// run: only the names of its options, and of some the words of their values, count.

export type Verdict = "stays" | "changes" | "look";

export interface Finding {
  option: string;
  verdict: Verdict;
  why: string;
}

// options finds the members of the object literal in a call of io(), or of an object literal alone: their names, with the
// text of their values. A text is what is wrong.
export function options(source: string): Map<string, string> | string {
  const start = beginning(source);
  if (start < 0) {
    return source.trim() === "" ? "" : "There is no {…} with options in this text. A call without options needs no change but a token: see auth.";
  }
  const found = new Map<string, string>();
  let depth = 0;
  let from = start + 1;
  for (let at = start; at < source.length; at++) {
    const c = source[at]!;
    const end = skipped(source, at);
    if (end > at) {
      at = end - 1;
    } else if ("{[(".includes(c)) {
      depth++;
    } else if ("}])".includes(c)) {
      depth--;
    }
    if (depth === 0 || (depth === 1 && c === ",")) {
      member(found, source.slice(from, at));
      from = at + 1;
    }
    if (depth === 0) {
      return found;
    }
  }
  return "The options do not end: a } is missing.";
}

// beginning finds the { of the options: the first one that is an argument of the call itself, or without a call the first one.
function beginning(source: string): number {
  const call = /\bio(?:\.connect)?\s*\(/.exec(source);
  let depth = 0;
  for (let at = call ? call.index + call[0].length : 0; at < source.length && depth >= 0; at++) {
    const end = skipped(source, at);
    if (end > at) {
      at = end - 1;
    } else if (source[at] === "{" && depth === 0) {
      return at;
    } else if ("{[(".includes(source[at]!)) {
      depth++;
    } else if ("}])".includes(source[at]!)) {
      depth--;
    }
  }
  return -1;
}

// skipped is where a text, a template or a comment that begins here ends; at itself when none does.
function skipped(source: string, at: number): number {
  const rest = source.slice(at);
  const found = /^(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[^]*?\*\/)/.exec(rest);
  return at + (found ? found[0].length : 0);
}

function member(found: Map<string, string>, text: string): void {
  const plain = text.replace(/^(\s|\/\/[^\n]*\n|\/\*[^]*?\*\/)+/, "");
  const name = /^(?:async\s+)?["']?([\w$]+)["']?\s*/.exec(plain);
  if (plain.startsWith("...")) {
    found.set(plain.trim(), "");
  } else if (name) {
    found.set(name[1]!, plain.slice(name[0].length).replace(/^:\s*/, "").trim());
  }
}

type Rule = [Verdict, string] | ((value: string) => [Verdict, string]);

const ofTheClient: Rule = ["stays", "This is between the client and itself."];

const rules: Record<string, Rule> = {
  auth: (value) =>
    /^\(|^async|^function|=>/.test(value)
      ? ["stays", "A function is asked again at each reconnect, so the token is never an old one. It should send {token} or {ticket}."]
      : ["changes", "Make it a function, auth: (send) => send({ token }): an object is sent again at each reconnect, when its token may have expired. Gatehouse reads token or ticket; other members are for your own code."],
  query: (value) =>
    /token/i.test(value)
      ? ["changes", "A token in the URL ends up in logs, and is refused by default. Move it to auth: (send) => send({ token })."]
      : ["look", "Gatehouse reads a ticket from the query; handlers in Go see the rest in Socket.Request. Rules of the configuration do not."],
  extraHeaders: (value) =>
    /authorization/i.test(value)
      ? ["look", "Authorization: Bearer is a way in, and on by default. A browser sends it with long-polling only; auth works with both transports."]
      : ["look", "Handlers see only the headers that keep_headers names."],
  withCredentials: ["look", "Cookies are a way in only when auth.methods has cookie. Pages of another host need their origin in origins.allow."],
  transports: (value) =>
    /webtransport/i.test(value)
      ? ["changes", "Gatehouse has no WebTransport: leave it out. Polling, WebSocket and the upgrade between them are there."]
      : ["stays", "Polling, WebSocket and the upgrade between them are there. Several nodes need no sticky sessions once cluster.addr is set."],
  path: (value) =>
    /^["'`]\/socket\.io\/?["'`]$/.test(value)
      ? ["stays", "It is the default of both."]
      : ["look", "Set the key path of the configuration to the same."],
  parser: ["look", "socket.io-msgpack-parser works without a setting, beside clients without it. Parsers of your own do not."],
  protocols: ["look", "Subprotocols are answered when a way in by subprotocol is on; a token in one is off by default."],
  forceBase64: ["stays", "Long-polling carries binary in base64 in any case."],
  perMessageDeflate: ["look", "compression.websocket is off by default, as with Node's server."],
  retries: ["stays", "The server sees an event again that was not acknowledged: give it a nonce or a key of its own, as with Node's server."],
  ackTimeout: ["stays", "An event that nobody handles is not acknowledged, as with Node's server; one whose handler fails is, with {ok: false, error}."],
  transportOptions: ["look", "See extraHeaders: what is set here for one transport follows the same rules."],
};

for (const name of [
  "forceNew", "multiplex", "reconnection", "reconnectionAttempts", "reconnectionDelay", "reconnectionDelayMax",
  "randomizationFactor", "timeout", "autoConnect", "upgrade", "rememberUpgrade", "tryAllTransports", "requestTimeout",
  "timestampParam", "timestampRequests", "addTrailingSlash", "closeOnBeforeunload", "useNativeTimers", "autoUnref", "agent",
  "host", "hostname", "port", "secure", "pfx", "key", "passphrase", "cert", "ca", "ciphers", "rejectUnauthorized",
  "transportImplementations",
]) {
  rules[name] = ofTheClient;
}

// migrate says of each option what becomes of it; a text is what is wrong with the source.
export function migrate(source: string): Finding[] | string {
  const found = options(source);
  if (typeof found === "string") {
    return found;
  }
  const findings: Finding[] = [...found].map(([option, value]) => {
    const rule = Object.hasOwn(rules, option) ? rules[option] : undefined;
    const [verdict, why] = typeof rule === "function" ? rule(value) : (rule ?? unknownTo(option));
    return { option, verdict, why };
  });
  if (!found.has("auth") && !found.has("extraHeaders") && !found.has("withCredentials")) {
    findings.push({ option: "auth", verdict: "changes", why: "Add auth: (send) => send({ token }). Nobody comes in without saying who it is, unless the namespace allows anonymous clients." });
  }
  return findings;
}

function unknownTo(option: string): [Verdict, string] {
  return option.startsWith("...")
    ? ["look", "What is spread into the options is not in this text; look at it, too."]
    : ["look", "socket.io-client 4.8 documents no such option."];
}
