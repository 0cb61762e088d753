import { Members } from "./members.ts";
import type { Failure } from "./protocol.ts";
import { Timeline } from "./timeline.ts";
import { Typists } from "./typing.ts";

// left: known by name only; joining: asked for, or to be asked for once connected; refused: only the user
// can ask again.
export type Phase = "left" | "joining" | "joined" | "refused";

export interface Room {
  readonly name: string;
  phase: Phase;
  failure: Failure | undefined; // why it was refused
  attempts: number; // to join that were put off, in a row
  timeline: Timeline;
  readonly members: Members;
  readonly typists: Typists;
  unread: number;
  draft: string;
}

export function newRoom(name: string): Room {
  return {
    name,
    phase: "left",
    failure: undefined,
    attempts: 0,
    timeline: new Timeline(),
    members: new Members(),
    typists: new Typists(),
    unread: 0,
    draft: "",
  };
}

// What is entered as the name of a room, as the server gets it: without the # in front, and without spaces
// around. Empty when nothing is left.
export function roomName(entered: string): string {
  const name = entered.trim().replace(/^#+/, "").trim();
  return [...name].slice(0, longestRoomName).join("").trim();
}

export const longestRoomName = 64; // characters

// The room in the page's address: #name. Undefined when there is none.
export function roomInHash(hash: string): string | undefined {
  try {
    return roomName(decodeURIComponent(hash.replace(/^#/, ""))) || undefined;
  } catch {
    return undefined; // a % that encodes nothing
  }
}

export function hashOf(room: string): string {
  return `#${encodeURIComponent(room)}`;
}
