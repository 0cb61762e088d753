import { ask } from "./connect.ts";
import { Failure } from "./outcome.ts";
import type { Wire } from "./wire.ts";

export interface Credentials {
  token: string;
  expired: string; // was good once
}

const noLab = "This server has no lab. Start it with gatehouse serve --dev.";

// The server's lab makes what a login would. It is there in dev mode only.
export async function credentials(wire: Wire): Promise<Credentials> {
  const response = await fetch("/lab/credentials", { method: "POST" });
  if (!response.ok) {
    throw new Failure(noLab);
  }
  const made = (await response.json()) as Credentials;
  wire.mask.hide("token", made.token);
  wire.mask.hide("token", made.expired);
  return made;
}

// Also takes away a session that a closed tab has left behind.
export async function labIsThere(): Promise<boolean> {
  return signOut().catch(() => false);
}

async function signOut(): Promise<boolean> {
  const { ok } = await fetch("/lab/session", { method: "DELETE" });
  return ok;
}

// A ticket for whom the token is of.
export async function ticket(wire: Wire): Promise<string> {
  const { token } = await credentials(wire);
  const made = (await ask(wire, "POST", "/auth/tickets", { Authorization: `Bearer ${token}` })) as { ticket: string };
  wire.mask.hide("ticket", made.ticket);
  wire.in(JSON.stringify(made));
  return made.ticket;
}

export interface Session {
  cookie: string; // its name: the page cannot read the rest
  csrf: string;
}

// Signs in with a session cookie for as long as the work takes.
export async function withSession<T>(wire: Wire, work: (session: Session) => Promise<T>): Promise<T> {
  const { cookie } = (await ask(wire, "POST", "/lab/session")) as { cookie: string };
  wire.in(`Set-Cookie: ${cookie}=…; Path=/; HttpOnly; SameSite=Lax`);
  wire.note("The page cannot read the cookie: it is HttpOnly.");
  try {
    const made = (await ask(wire, "GET", "/auth/csrf")) as { csrf: string };
    wire.mask.hide("CSRF token", made.csrf);
    wire.in(JSON.stringify(made));
    return await work({ cookie, csrf: made.csrf });
  } finally {
    await signOut();
  }
}
