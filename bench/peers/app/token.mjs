// The check of the first message's token, as an application of Socket.IO writes it: a namespace middleware.
import { createHmac, timingSafeEqual } from "node:crypto";

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.data = { code };
  }
}

// admit gives a middleware that lets in nobody without a valid HS256 token and sets socket.data.user.
export const admit = (secret) => (socket, next) => {
  try {
    socket.data.user = verify(secret, socket.handshake.auth.token);
    next();
  } catch (err) {
    next(err);
  }
};

function verify(secret, token) {
  if (typeof token !== "string") {
    throw new Refused("unauthenticated", "sign in first");
  }
  const [head, body, mac] = token.split(".", 3);
  const wanted = createHmac("sha256", secret).update(`${head}.${body}`).digest();
  const given = Buffer.from(mac ?? "", "base64url");
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted) || decode(head).alg !== "HS256") {
    throw new Refused("token_invalid", "the token is not valid");
  }
  const { sub, name = sub, exp } = decode(body);
  if (!(exp > Date.now() / 1000)) {
    throw new Refused("token_expired", "the token has expired");
  }
  return { sub, name };
}

const decode = (part) => JSON.parse(Buffer.from(part, "base64url"));
