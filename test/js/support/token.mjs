// Mints tokens as a back end of one's own does: HS256 with the secret that the server was given.
import { createHmac } from "node:crypto";

export const secret = "a secret for tests only, longer than thirty-two bytes";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);

export function mint(sub, claims = {}, { key = secret, header = {} } = {}) {
  const head = part({ alg: "HS256", typ: "JWT", ...header });
  const body = part({ sub, name: sub, iat: now(), exp: now() + 3600, ...claims });
  const mac = createHmac("sha256", key).update(`${head}.${body}`).digest("base64url");
  return `${head}.${body}.${mac}`;
}

export const expired = (sub) => mint(sub, { iat: now() - 7200, exp: now() - 3600 });
