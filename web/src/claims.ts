// What a token says about its bearer. The page only shows it: whether it is true is the server's to decide.
export interface Claims {
  subject?: string;
  name?: string;
  expiresAt?: number; // milliseconds since 1970
}

// Empty when the token is no JWT.
export function readClaims(token: string): Claims {
  const body = token.split(".")[1];
  if (!body) {
    return {};
  }
  try {
    const bytes = Uint8Array.from(atob(body.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return pick(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {};
  }
}

function pick(payload: unknown): Claims {
  const { sub, name, exp } = (payload ?? {}) as Record<string, unknown>;
  const claims: Claims = {};
  if (typeof sub === "string") claims.subject = sub;
  if (typeof name === "string") claims.name = name;
  if (typeof exp === "number") claims.expiresAt = exp * 1000;
  return claims;
}
