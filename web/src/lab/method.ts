import type { Outcome } from "./outcome.ts";
import type { Wire } from "./wire.ts";

// Try is one button of a card.
export interface Try {
  id: string;
  label: string;
  expect: "admitted" | "refused";
  why: string; // what the server looked at, when the outcome is the expected one
  run: (wire: Wire) => Promise<Outcome>;
}

export interface Command {
  label: string;
  text: string;
}

// Method is one way in: one card.
export interface Method {
  id: string;
  title: string;
  standard: boolean; // on without configuration
  where: string; // which clients can do it
  lead: string;
  code: string;
  danger: string;
  config: string;
  tries: Try[];
  commands: Command[];
}

// Fills in what a card need not have.
export function method(given: Omit<Method, "standard" | "tries" | "commands"> & Partial<Method>): Method {
  return { standard: false, tries: [], commands: [], ...given };
}
