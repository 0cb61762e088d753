// The check of the first message's token, as an application of Node's socket.io writes it: a middleware.
import { createHmac, timingSafeEqual } from "node:crypto";

export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.data = { code };
  }
}

// admit gives a middleware that sets socket.data.user and lets in nobody without a valid token.
export const admit = (secret) => (socket, next) => {
  try {
    socket.data.user = verify(secret, socket.handshake.auth);
    next();
  } catch (err) {
    next(err);
  }
};

function verify(secret, auth) {
  if (auth?.token === undefined || auth.token === "") {
    throw new Refused("unauthenticated", "sign in first");
  }
  const claims = signed(secret, auth.token);
  if (!(claims.exp > Date.now() / 1000)) {
    throw new Refused("token_expired", "the token has expired");
  }
  return { sub: claims.sub, name: claims.name ?? claims.sub, scope: claims.scope ?? "" };
}

function signed(secret, token) {
  const [head, body, mac, ...rest] = typeof token === "string" ? token.split(".") : [];
  const wanted = createHmac("sha256", secret).update(`${head}.${body}`).digest();
  const given = Buffer.from(mac ?? "", "base64url");
  if (rest.length > 0 || given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new Refused("token_invalid", "the token is not valid");
  }
  if (decode(head).alg !== "HS256") {
    throw new Refused("token_invalid", "the token is not valid");
  }
  return decode(body);
}

const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
