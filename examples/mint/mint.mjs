import { createHmac } from "node:crypto";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function mint(sub, name, secret, seconds = 3600) {
  const iat = Math.floor(Date.now() / 1000); // without it, one revocation locks the user out for a month
  const exp = iat + seconds;
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, name, iat, exp })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}
