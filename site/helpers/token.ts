// Reads a JSON Web Token (RFC 7519) in its compact form, without verifying it. Nothing here reaches the network.

export interface Decoded {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  notes: string[]; // what Gatehouse would say of it, without knowing the key
}

// decode reads a token; a text is what is wrong with it. now is in milliseconds since 1970.
export function decode(input: string, now: number): Decoded | string {
  const token = input.trim().replace(/^Bearer\s+/i, "");
  if (token === "") {
    return "";
  }
  const parts = token.split(".");
  if (parts.length === 5) {
    return "This is an encrypted token (JWE, five parts). Only who has the key can read it; Gatehouse takes signed ones.";
  }
  if (parts.length !== 3) {
    return `A signed token has three parts with dots between them; this has ${parts.length}.`;
  }
  const header = object(parts[0]!);
  const claims = object(parts[1]!);
  if (header === undefined || claims === undefined) {
    return `The ${header === undefined ? "first" : "second"} part is no JSON object in base64url.`;
  }
  return { header, claims, notes: notesOn(header, claims, parts[2]!, now / 1000) };
}

function object(part: string): Record<string, unknown> | undefined {
  try {
    const binary = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function notesOn(header: Record<string, unknown>, claims: Record<string, unknown>, signature: string, now: number): string[] {
  const notes: string[] = [];
  const { exp, nbf, iat, sub } = claims;
  if (header["alg"] === "none" || signature === "") {
    notes.push("It is not signed. Gatehouse refuses it, whatever it says.");
  }
  if (typeof sub !== "string" || sub === "") {
    notes.push("It has no subject (sub): it says nothing about who this is, unless jwt.claims.subject names another claim.");
  }
  if (typeof exp !== "number") {
    notes.push("It never expires (no exp). Gatehouse refuses tokens without an end.");
  } else {
    notes.push(exp <= now ? `It has expired, ${span(now - exp)} ago.` : `It expires in ${span(exp - now)}.`);
  }
  if (typeof nbf === "number" && nbf > now) {
    notes.push(`It is not valid yet, for another ${span(nbf - now)}.`);
  }
  if (typeof iat !== "number") {
    notes.push("It does not say when it was made (iat): a revocation of its user then holds for tokens made later, too.");
  } else if (iat > now + 60) {
    notes.push("It was made in the future: one of the two clocks is wrong.");
  }
  return notes;
}

// span gives seconds in the largest fitting unit.
export function span(seconds: number): string {
  for (const [size, unit] of [[86_400, "day"], [3_600, "hour"], [60, "minute"]] as const) {
    if (seconds >= size) {
      const count = Math.floor(seconds / size);
      return `${count} ${unit}${count === 1 ? "" : "s"}`;
    }
  }
  const count = Math.max(0, Math.floor(seconds));
  return `${count} second${count === 1 ? "" : "s"}`;
}
