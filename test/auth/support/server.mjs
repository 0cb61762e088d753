// Servers on which every way in is open, the tickets in Redis when TEST_REDIS_ADDR names one.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { startProcess } from "../../js/support/process.mjs";
import { binary } from "../../js/support/target.mjs";
import { secret } from "../../js/support/token.mjs";

export const page = "https://app.example";
export const adminKey = "a key of the operators, for these tests only";
export const password = "open sesame";
// bcrypt of the password above.
const passwordHash = "$2a$10$/3GO6kUDzErBswC/Tf0SdeUAKEr5HsAzEOgacd652jJ2R4XAM06XS";

const redis = process.env.TEST_REDIS_ADDR;

const settings = (more) => ({
  jwt: { hmac_secret: secret },
  auth: {
    ways: ["token", "ticket", "bearer", "subprotocol", "cookie", "basic", "query_token"],
    namespaces: [{ name: "/echo", ways: ["token", "ticket", "anonymous"] }],
  },
  origins: { allow: ["self", page] },
  subprotocol: { forms: ["kubernetes", "appsync", "plain"], plain: "chat.v1" },
  cookie: { csrf_secret: "another secret for tests only, longer than 32" },
  basic: { users: [{ name: "ada", hash: passwordHash }] },
  trusted_proxies: ["127.0.0.1"],
  echo: { enabled: true },
  admin: { key: adminKey },
  session: { expiry_grace: "100ms" },
  log: { level: "debug" },
  ...(redis ? { redis: { url: `redis://${redis}`, prefix: `gatehouse:test:${randomUUID()}:` } } : {}),
  ...more,
});

// JSON is YAML.
export async function startServer(more = {}) {
  const dir = await mkdtemp(join(tmpdir(), "gatehouse-auth-"));
  const file = join(dir, "gatehouse.yaml");
  await writeFile(file, JSON.stringify(settings(more)));
  const running = await startProcess(binary, ["serve", "--config", file, "--addr", "127.0.0.1:0"], {
    env: { XDG_STATE_HOME: dir },
  });
  running.exited.then(() => rm(dir, { recursive: true, force: true }));
  if (more.tls) {
    running.url = running.url.replace("http:", "https:");
  }
  return running;
}

// mintTicket asks for a ticket as a page or a back end does.
export async function mintTicket(target, token, body = {}, headers = {}) {
  const { status, answer } = await call(target, "/auth/tickets", { body, headers: { authorization: `Bearer ${token}`, ...headers } });
  if (status !== 200) {
    throw new Error(`no ticket: ${status} ${JSON.stringify(answer)}`);
  }
  return answer.ticket;
}

// call POSTs JSON, or GETs without a body.
export async function call(target, path, { body, headers = {} } = {}) {
  const response = await fetch(target.url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, answer: await response.json() };
}
