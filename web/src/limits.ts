import type { Outgoing } from "./outbox.ts";
import type { Failure } from "./protocol.ts";

// What the server takes. Before it has said so, nothing is too long.
export interface Limits {
  text: number; // characters of a message
  bytes: number; // of one packet on the wire
}

export const unlimited: Limits = { text: Infinity, bytes: Infinity };

// What a packet has besides its event: its type, the namespace and the number of its acknowledgement.
const envelope = 32; // bytes

// Why the server would refuse this message, or end the connection over it; undefined when it would not.
export function tooLong(message: Pick<Outgoing, "room" | "text" | "nonce">, limits: Limits): Failure | undefined {
  const { room, text, nonce } = message;
  const characters = charactersOf(text, limits.text);
  if (characters > limits.text) {
    return failure(`A message has at most ${count(limits.text)} characters; this one has ${count(characters)}.`);
  }
  const bytes = new TextEncoder().encode(JSON.stringify(["message:send", { room, text, nonce }])).length + envelope;
  if (bytes > limits.bytes) {
    return failure(`The server takes at most ${count(limits.bytes)} bytes at once; this message has ${count(bytes)}.`);
  }
  return undefined;
}

// Characters are code points, as the server counts them. They are counted only when there may be too many.
function charactersOf(text: string, most: number): number {
  return text.length <= most ? text.length : [...text].length;
}

function failure(message: string): Failure {
  return { code: "text_too_long", message };
}

function count(number: number): string {
  return number.toLocaleString("en");
}
