import type { Failure } from "./protocol.ts";

// What the user can do about a refusal: start over with another token, try the same again, or nothing here.
export type Remedy = "sign-in" | "retry" | "none";

export interface Explanation {
  title: string;
  text: string; // what it means and what to do next
  remedy: Remedy;
}

// The codes of the server's refusals, and those that the page itself finds.
const refusals: Record<string, Explanation> = {
  unauthenticated: {
    title: "The server does not know who you are",
    text: "No token came with this connection. Sign in to get one.",
    remedy: "sign-in",
  },
  token_invalid: {
    title: "Your token was not accepted",
    text: "It may be from another server, or the server has a new key. Sign in again to get a fresh one.",
    remedy: "sign-in",
  },
  token_expired: {
    title: "Your session has ended",
    text: "The token you signed in with has expired. Sign in again; what you have typed waits here.",
    remedy: "sign-in",
  },
  ticket_invalid: {
    title: "Your ticket was not accepted",
    text: "A ticket works once and only for a short time. Sign in again to get a new one.",
    remedy: "sign-in",
  },
  origin_forbidden: {
    title: "This address may not connect",
    text: "The server does not accept pages from this origin. Open the page at the server's own address, or add this origin to its list of allowed origins.",
    remedy: "retry",
  },
  forbidden: {
    title: "You may not enter here",
    text: "The server knows who you are, but this place is not open to you. Sign in as somebody else, or ask for access.",
    remedy: "sign-in",
  },
  rate_limited: {
    title: "Too many attempts",
    text: "The server asks for a pause. Try again in a moment.",
    remedy: "retry",
  },
  too_many_connections: {
    title: "Too many connections",
    text: "There are too many open connections just now. Close other tabs of this page, or try again in a moment.",
    remedy: "retry",
  },
  unavailable: {
    title: "The server cannot let anybody in right now",
    text: "It is restarting, or something that it needs cannot be reached. Try again in a moment; what you have typed waits here.",
    remedy: "retry",
  },
  invalid_namespace: {
    title: "There is no chat on this server",
    text: "The server runs, but without the namespace /chat. Enable the chat in its configuration, then try again.",
    remedy: "retry",
  },
  revoked: {
    title: "Your access was withdrawn",
    text: "Somebody in charge has ended this session. Sign in again if you may, or ask them why.",
    remedy: "sign-in",
  },
  disconnected: {
    title: "The server ended this connection",
    text: "It asked the page to stay away until you decide to come back.",
    remedy: "retry",
  },
};

const unknown: Explanation = {
  title: "The server refused the connection",
  text: "It gave no reason that this page knows. Try again, or sign in anew.",
  remedy: "retry",
};

// Why the server keeps this page out. The server's own words follow ours when we have none for its code.
export function explainRefusal(failure: Failure): Explanation {
  const known = refusals[failure.code];
  if (known) {
    return known;
  }
  return failure.message ? { ...unknown, text: `It says: ${failure.message}` } : unknown;
}

const requests: Record<string, string> = {
  forbidden: "You have no access to this room.",
  rate_limited: "You are sending too fast. Wait a moment, then try again.",
  unavailable: "The server cannot do this right now. Try again in a moment.",
  token_expired: "Your session has ended. Sign in again.",
  not_in_room: "You are not in this room any more. Leave it and join it again.",
  timeout: "The server did not answer. Try again.",
  cut: "The connection ended twice over this message.",
};

// Why a request failed, in one sentence.
export function explainRequest(failure: Failure): string {
  return requests[failure.code] ?? (failure.message ? sentence(failure.message) : "The server refused it. Try again.");
}

// What can be done with a message that was refused for this: send it again as it is, or change it.
export function remediesOf({ code }: Failure): { retry: boolean; edit: boolean } {
  return { retry: code !== "text_too_long", edit: code === "text_too_long" || code === "cut" };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const end = /[.!?…]$/.test(trimmed) ? "" : ".";
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + end;
}
