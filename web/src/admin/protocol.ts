// What the server's GET /admin/api/… tell. Times are RFC 3339, sizes bytes.

export interface RefusedCount {
  where: "connection" | "namespace" | "request";
  code: string;
  namespace?: string;
  count: number;
}

export interface Node {
  id: string;
  name: string;
  address?: string;
  version?: string;
  started: string;
  heard?: string;
}

export interface Now {
  at: string;
  node?: string;
  version?: string;
  uptimeMs: number;
  leaving: boolean;
  draining: boolean;
  connections: number;
  pending: number;
  closing: number;
  silent: number;
  sockets: number;
  parked: number;
  rooms: number;
  revocations: number;
  namespaces: Record<string, number>;
  outboxBytes: number;
  outboxTotal: number;
  incomingBytes: number;
  cuts: { Full: number; Age: number; Total: number };
  events: number;
  failed: number;
  deliveries: number;
  refused: RefusedCount[];
  redis?: { up: boolean; error?: string };
  cluster?: { mode: string; alone: boolean; backlog: number; lagMs: number; nodes: Node[] };
}

export interface Example {
  at: string;
  where: RefusedCount["where"];
  code: string;
  namespace?: string;
  address?: string;
  origin?: string;
  path?: string;
  message?: string;
  cause?: string;
}

export interface Cut {
  at: string;
  user: string;
  address: string;
  namespaces: string[] | null;
  cause: string;
}

export interface Revocation {
  subject?: string;
  tokenId?: string;
  session?: string;
  issuer?: string;
  reason?: string;
  at: string;
  until: string;
}

export interface Lately {
  refusals: Record<string, Example[]> | null;
  cuts: Cut[] | null;
  revocations: Revocation[];
}

export interface Behind {
  user: string;
  namespace: string;
  socket: string;
  eighths: number;
}

export interface SocketInfo {
  id: string;
  user: string;
  name?: string;
  issuer?: string;
  method: string;
  rooms: string[];
  address?: string; // of sockets of this node only
  since?: string;
  expiresAt?: string;
}

export interface Found {
  namespaces: { namespace: string; sockets: SocketInfo[] }[];
  missing?: string[];
}

export interface Begin {
  socket: string;
  namespace: string;
  user: string;
  transport: string;
  until: string;
}

export interface Frame {
  at: string;
  direction: "in" | "out";
  missed?: number;
  kind: string;
  name?: string;
  id?: string;
  text?: string;
  bytes: number;
  cut?: boolean;
}
