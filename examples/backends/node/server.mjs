// A back end in Node, without a package: it signs people in, and answers what
// Gatehouse asks.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const tokenSecret = "an-example-of-a-secret-that-is-no-secret-at-all";
const hookSecret = Buffer.from("YW4gZXhhbXBsZSB0aGF0IGlzIG5vIHNlY3JldCBhdCBhbGw=", "base64");
const page = readFileSync(new URL("../index.html", import.meta.url));
const orders = new Map();

// login gives a token. A real one asks for a password first.
function login({ name, staff }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: name, name, scope: staff ? "staff" : "", iat: now, exp: now + 3600 };
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return { token: `${body}.${createHmac("sha256", tokenSecret).update(body).digest("base64url")}` };
}

// handle answers one event of a client: what its acknowledgement is, and who gets
// what.
function handle({ event, args, user }) {
  const staff = user.scopes?.includes("staff");
  switch (event) {
    case "order:create": {
      const order = { id: randomUUID(), item: String(args[0]?.item ?? ""), by: user.subject };
      orders.set(order.id, order);
      return { ack: [{ ok: true, id: order.id }], emit: [{ to: "desk", event: "order:created", args: [order] }] };
    }
    case "order:done": {
      const order = orders.get(args[0]?.id);
      if (!staff) return { error: { code: "forbidden", message: "Only staff may do this." } };
      if (!order) return { error: { code: "not_found", message: "There is no such order." } };
      orders.delete(order.id);
      return { emit: [{ user: order.by, event: "order:done", args: [order] }] };
    }
    case "dm:send": {
      const message = { from: user.subject, text: String(args[0]?.text ?? "") };
      return { emit: [{ user: String(args[0]?.to), event: "dm", args: [message] }] };
    }
  }
  return { error: { code: "unknown_event", message: "There is no such event." } };
}

// verified checks a signature (Standard Webhooks). Libraries exist for it.
function verified(headers, body) {
  const at = headers["webhook-timestamp"];
  if (Math.abs(Date.now() / 1000 - Number(at)) > 300) return false; // replayed
  const right = createHmac("sha256", hookSecret).update(`${headers["webhook-id"]}.${at}.${body}`).digest();
  return String(headers["webhook-signature"]).split(" ").some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return given.length === right.length && timingSafeEqual(given, right);
  });
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const json = (value) => response.setHeader("Content-Type", "application/json").end(JSON.stringify(value));
  switch (`${request.method} ${request.url}`) {
    case "GET /":
      return response.setHeader("Content-Type", "text/html").end(page);
    case "POST /login":
      return json(login(JSON.parse(body)));
    case "POST /realtime":
      return verified(request.headers, body) ? json(handle(JSON.parse(body))) : response.writeHead(401).end();
  }
  response.writeHead(404).end();
}).listen(Number(process.env.PORT ?? 4000), "127.0.0.1", () => console.log("http://localhost:4000"));
