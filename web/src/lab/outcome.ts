// Identity is what a namespace of the lab answers to "whoami".
export interface Identity {
  subject: string;
  name: string;
  method: string;
  expiresAt?: string;
}

export type Outcome =
  | { kind: "admitted"; identity: Identity; transport: string }
  | { kind: "refused"; code: string; message: string }
  | { kind: "failed"; message: string }; // nobody decided: the server cannot be reached, or is not in dev mode

// Failure ends a try before a decision; its message is for people.
export class Failure extends Error {}

export const refusedUpgrade = "handshake";

// What a refused handshake looks like from a page: browsers tell pages neither status nor reason.
export function handshakeRefused(): Outcome {
  return {
    kind: "refused",
    code: refusedUpgrade,
    message: "The server refused the WebSocket itself, with an HTTP status. A browser tells its pages no more than that.",
  };
}

export function refusal(error: { message: string; data?: unknown; description?: unknown }): Outcome {
  const { code } = (error.data ?? {}) as { code?: unknown };
  if (typeof code === "string") {
    return { kind: "refused", code, message: error.message };
  }
  if (error.message === "Invalid namespace") {
    return { kind: "failed", message: "This server has no lab. Start it with gatehouse serve --dev." };
  }
  return error.message === "websocket error" ? handshakeRefused() : { kind: "failed", message: `The server cannot be reached (${error.message}).` };
}

// One sentence: who was let in, how, until when.
export function admittedInWords(identity: Identity, transport: string, time: (at: Date) => string): string {
  const who = identity.name === identity.subject ? identity.subject : `${identity.name} (${identity.subject})`;
  const until = identity.expiresAt ? `until ${time(new Date(identity.expiresAt))}` : "without an end";
  return `Let in as ${who}, ${until}. The way in was ${identity.method}, over ${transport}.`;
}
