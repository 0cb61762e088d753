// Made by gatehouse types. Do not edit: change the handlers and make it anew.

// What clients of the namespace / send.
export interface RootClientToServerEvents {
  "auth:refresh": (data: { [key: string]: unknown }, ack: (reply: Refreshed | Failure) => void) => void;
}

// What clients of the namespace / get.
export interface RootServerToClientEvents {
  "auth:expiring": (data: Expiring) => void;
  "auth:revoked": (data: Revocation) => void;
}

// What clients of the namespace /all send.
export interface AllClientToServerEvents {
  "any": (...args: any[]) => void;
  "auth:refresh": (data: { [key: string]: unknown }, ack: (reply: Refreshed | Failure) => void) => void;
  "nothing": (ack?: (reply: Success | Failure) => void) => void;
  "three": (data1: number, data2: Array<Base>, data3?: string | null, ack?: (reply: Success | Failure) => void) => void;
  "whole": (data: Everything, ack: (reply: Everything | null | Failure) => void) => void;
  [event: `work\`:${string}`]: (...args: any[]) => void;
}

// What clients of the namespace /all get.
export interface AllServerToClientEvents {
  [event: string]: (...args: any[]) => void;
  "auth:expiring": (data: Expiring) => void;
  "auth:revoked": (data: Revocation) => void;
  "say \"hi\"": (data: Base) => void;
  "sure?": (data: string, ack: (reply: boolean) => void) => void;
}

export interface Base {
  id: string;
  kind: string;
}

export interface Everything {
  id: string;
  kind: number;
  at: string;
  took: number;
  names: Array<string>;
  counts: { [key: string]: number };
  picture: ArrayBuffer | Uint8Array | null;
  sum: string;
  parent: Everything | null;
  maybe?: number;
  big: string;
  raw: unknown;
  any: unknown;
  pair: PairBaseInt;
  inline: { A: boolean };
  "odd-name": boolean;
  ok: true;
  Untagged: number;
}

export interface Expiring {
  expiresAt: number;
}

export interface Failure {
  ok: false;
  error: FailureCode;
}

export interface FailureCode {
  code: string;
  message: string;
  retryAfterMs?: number;
  data?: unknown;
}

export interface PairBaseInt {
  first: Base;
  second: number;
}

export interface Refreshed {
  ok: true;
  expiresAt?: number;
}

export interface Revocation {
  reason: string;
}

export interface Success {
  ok: true;
}
