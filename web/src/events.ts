// Made by gatehouse types. Do not edit: change the handlers and make it anew.

// What clients of the namespace /chat send.
export interface ClientToServerEvents {
  "auth:refresh": (data: { [key: string]: unknown }, ack: (reply: Refreshed | Failure) => void) => void;
  "info": (data: object, ack: (reply: Info | Failure) => void) => void;
  "message:send": (data: SendRequest, ack: (reply: Sent | Failure) => void) => void;
  "room:join": (data: JoinRequest, ack: (reply: Joined | Failure) => void) => void;
  "room:leave": (data: LeaveRequest, ack?: (reply: Success | Failure) => void) => void;
  "typing": (data: TypingNotice, ack?: (reply: Success | Failure) => void) => void;
}

// What clients of the namespace /chat get.
export interface ServerToClientEvents {
  "auth:expiring": (data: Expiring) => void;
  "auth:revoked": (data: Revocation) => void;
  "member:joined": (data: Membership) => void;
  "member:left": (data: Membership) => void;
  "message": (data: Message) => void;
  "typing": (data: Typing) => void;
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

export interface Info {
  ok: true;
  user: string;
  name: string;
  limits: Limits;
}

export interface JoinRequest {
  room: string;
  since?: string;
}

export interface Joined {
  ok: true;
  count: number;
  members: Array<Member>;
  history: Array<Message>;
  complete: boolean;
}

export interface LeaveRequest {
  room: string;
}

export interface Limits {
  text: number;
  room: number;
  nonce: number;
}

export interface Member {
  user: string;
  name: string;
}

export interface Membership {
  room: string;
  user: string;
  name: string;
}

export interface Message {
  id: string;
  room: string;
  from: string;
  name: string;
  text: string;
  at: number;
  nonce?: string;
}

export interface Refreshed {
  ok: true;
  expiresAt?: number;
}

export interface Revocation {
  reason: string;
}

export interface SendRequest {
  room: string;
  text: string;
  nonce?: string;
}

export interface Sent {
  ok: true;
  id: string;
  at: number;
}

export interface Success {
  ok: true;
}

export interface Typing {
  room: string;
  user: string;
  on: boolean;
}

export interface TypingNotice {
  room: string;
  on: boolean;
}
