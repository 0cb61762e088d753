// How the page gets a token: from the demo login, which exists on servers in dev mode only.
export type Login =
  | { kind: "token"; token: string }
  | { kind: "disabled" } // this server has no demo login
  | { kind: "refused"; message: string }
  | { kind: "busy"; message: string } // for a cause that passes
  | { kind: "unreachable" };

export async function demoLogin(name: string): Promise<Login> {
  let response: Response;
  try {
    response = await fetch("/demo/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name }),
      signal: AbortSignal.timeout(10_000),
    });
  } catch {
    return { kind: "unreachable" };
  }
  const body: unknown = await response.json().catch(() => undefined);
  return response.ok ? accepted(body) : refused(response.status, body);
}

function accepted(body: unknown): Login {
  const token = (body as { token?: unknown } | undefined)?.token;
  return typeof token === "string" ? { kind: "token", token } : { kind: "disabled" };
}

function refused(status: number, body: unknown): Login {
  if (status === 404 || status === 405) {
    return { kind: "disabled" };
  }
  if (status === 429) {
    return { kind: "busy", message: "Too many people are signing in. Wait a moment, then try again." };
  }
  if (status >= 500) {
    return { kind: "busy", message: "The server cannot sign anybody in right now. Try again in a moment." };
  }
  const message = (body as { error?: { message?: unknown } } | undefined)?.error?.message;
  return { kind: "refused", message: typeof message === "string" ? message : "The server did not accept this name." };
}
