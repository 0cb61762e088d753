import { createHmac } from "node:crypto";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function mint(sub, name, secret, seconds = 3600) {
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, name, exp })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}
