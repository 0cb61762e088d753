import { delayAfter } from "./backoff.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import { Delivery } from "./delivery.ts";
import { Drafts } from "./drafts.ts";
import type { Keep } from "./keep.ts";
import { type Limits, tooLong, unlimited } from "./limits.ts";
import { Outbox, type Outgoing, maxOutgoing } from "./outbox.ts";
import { type Accepted, type Failure, type Info, type Joined, type Message, type Reply, identity, passes } from "./protocol.ts";
import { type Room, newRoom } from "./room.ts";
import { Roster } from "./roster.ts";
import type { Me } from "./rows.ts";
import type { Session } from "./session.ts";
import { OwnTyping } from "./typing.ts";

// How long a request may take before it counts as not answered.
const answerWithin = 15_000;
// After this long without a key, the user does not type any more.
const typingPause = 4_000;

export interface ChatOptions {
  session: Session;
  storage: Keep; // of this tab
  transports?: string[];
  changed: () => void; // something that is shown has changed
  said: (message: Message) => void; // somebody else said something in a room just now
  refused: (entry: Outgoing, failure: Failure) => void; // something that this user said is not sent
}

// Chat is what the page shows and what its user can do: rooms, messages, the connection. It knows nothing
// of the page itself.
export class Chat {
  readonly roster: Roster;
  readonly outbox: Outbox;
  me: Me;
  active: Room | undefined;
  reading = true; // the newest message of the active room is in sight

  private readonly options: ChatOptions;
  private readonly drafts: Drafts;
  private limits: Limits = unlimited;
  private readonly connection: Connection;
  private readonly typing = new OwnTyping();
  private typingTimer: ReturnType<typeof setTimeout> | undefined;
  private delivery: Delivery | undefined; // of the connection that is open
  private renewing = false; // a new token is asked for
  private renewed = false; // since the last connection

  constructor(options: ChatOptions) {
    this.options = options;
    const { session, storage, transports } = options;
    this.me = session.me;
    const who = this.me.user || this.me.name;
    this.outbox = new Outbox(storage, `gatehouse.outbox.${who}`, newNonce);
    this.drafts = new Drafts(storage, `gatehouse.drafts.${who}`);
    this.roster = new Roster(storage, `gatehouse.rooms.${who}`, this.outbox.rooms());
    this.connection = new Connection({
      token: () => session.token(),
      changed: (state) => this.connectionChanged(state),
      ...(transports ? { transports } : {}),
    });
    this.listen();
    this.connection.now();
  }

  get state(): ConnectionState {
    return this.renewing ? { kind: "connecting", again: true } : this.connection.state;
  }

  get unread(): number {
    return this.roster.rooms.reduce((sum, room) => sum + room.unread, 0);
  }

  // Shows a room, and joins it when this user is not in it.
  open(name: string): void {
    this.active = this.roster.room(name);
    this.reading = true;
    this.active.unread = 0;
    this.active.draft = this.drafts.of(name);
    if (this.active.phase === "left") {
      this.join(this.active);
    }
    this.options.changed();
  }

  join(room: Room): void {
    room.phase = "joining";
    room.failure = undefined;
    this.roster.save();
    void this.enter(room);
    this.options.changed();
  }

  // False when something typed in the room still waits: leaving would lose it.
  leave(room: Room): boolean {
    if (this.outbox.entries(room.name).length > 0) {
      return false;
    }
    const wasIn = room.phase === "joined" || room.phase === "joining";
    Object.assign(room, { ...newRoom(room.name), draft: room.draft });
    this.roster.save();
    if (wasIn && this.connection.socket.connected) {
      this.connection.socket.emit("room:leave", { room: room.name }, () => {});
    }
    if (this.active === room) {
      this.active = this.roster.rooms.find((other) => other.phase !== "left");
    }
    this.options.changed();
    return true;
  }

  // Why a text cannot be said in a room; undefined when it can, as far as the server has told its limits.
  unfit(room: Room, text: string): string | undefined {
    return tooLong({ room: room.name, text, nonce: newNonce() }, this.limits)?.message;
  }

  // Returns why not, when the text cannot be taken.
  say(room: Room, text: string): string | undefined {
    const unfit = this.unfit(room, text);
    if (unfit !== undefined) {
      return unfit;
    }
    if (!this.outbox.add(room.name, text, Date.now())) {
      return `${maxOutgoing} messages wait already. Reconnect before you write more.`;
    }
    this.edit(room, "");
    this.deliver(room);
    this.options.changed();
    return undefined;
  }

  // The draft of a room changed: keeps it, and lets the others know that this user types.
  edit(room: Room, draft: string): void {
    room.draft = draft;
    this.drafts.set(room.name, draft);
    clearTimeout(this.typingTimer);
    this.tellTyping(this.typing.changed(room.name, draft.trim() === "", Date.now()));
    this.typingTimer = setTimeout(() => this.tellTyping(this.typing.stopped()), typingPause);
  }

  retry(room: Room, nonce: string): void {
    this.outbox.retry(nonce);
    this.deliver(room);
    this.options.changed();
  }

  // Gives the text of a refused message to who will write it anew, and forgets the message.
  takeBack(room: Room, nonce: string): string | undefined {
    const entry = this.outbox.entries(room.name).find((candidate) => candidate.nonce === nonce);
    if (entry?.state !== "failed") {
      return undefined;
    }
    this.discard(nonce);
    return entry.text;
  }

  discard(nonce: string): void {
    this.outbox.drop(nonce);
    this.options.changed();
  }

  // Whether the user sees the newest messages of the active room.
  read(reading: boolean): void {
    this.reading = reading;
    if (reading && this.active && this.active.unread > 0) {
      this.active.unread = 0;
      this.options.changed();
    }
  }

  reconnect(): void {
    this.connection.now();
  }

  close(): void {
    clearTimeout(this.typingTimer);
    this.delivery?.end();
    this.connection.close();
  }

  private connectionChanged(state: ConnectionState): void {
    if (state.kind === "connected" && !this.delivery) {
      this.connected();
    } else if (state.kind !== "connected" && this.delivery) {
      this.disconnected();
    }
    if (state.kind === "refused" && state.failure.code === "token_expired") {
      void this.renew();
    }
    this.options.changed();
  }

  private connected(): void {
    this.renewed = false;
    this.delivery = this.newDelivery();
    void this.ask();
    for (const room of this.roster.rooms) {
      if (room.phase === "joined" || room.phase === "joining") {
        void this.enter(room);
      }
    }
  }

  private disconnected(): void {
    this.delivery?.end();
    this.delivery = undefined;
    for (const entry of this.outbox.interrupted(this.connection.cut)) {
      this.setAside(entry, { code: "cut", message: "" });
    }
    for (const room of this.roster.rooms) {
      room.typists.clear();
      if (room.phase === "joined") {
        room.phase = "joining";
      }
    }
  }

  // Asks who this user is here, and what is too long. It is answered before the rooms are: nothing is sent until then.
  // A server without an answer has limits that show when they are reached.
  private async ask(): Promise<void> {
    const { socket, maxPayload } = this.connection;
    this.limits = { text: this.limits.text, bytes: maxPayload };
    const reply = await socket
      .timeout(answerWithin)
      .emitWithAck("info", {})
      .catch((): Reply<Info> => ({ ok: false, error: { code: "timeout", message: "" } }));
    if (reply.ok) {
      this.me = { user: reply.user, name: reply.name };
      this.limits = { text: reply.limits.text, bytes: maxPayload };
      this.options.changed();
    }
  }

  // The server does not take a message: it keeps its place, the others go on, and its writer is told.
  private setAside(entry: Outgoing, failure: Failure): void {
    this.outbox.refused(entry.nonce, failure, this.roster.find(entry.room)?.timeline.lastId);
    this.options.refused(entry, failure);
    this.options.changed();
  }

  // Once per connection: when a token is refused that was made just now, the next one will be too.
  private async renew(): Promise<void> {
    const { session } = this.options;
    if (this.renewed || !session.renewable) {
      return;
    }
    this.renewed = this.renewing = true;
    const login = await session.renew();
    this.renewing = false;
    if (login?.kind === "token") {
      this.connection.now();
    } else if (login?.kind === "unreachable" || login?.kind === "busy") {
      this.renewed = false;
      this.connection.later("the server cannot sign anybody in right now");
    }
    this.options.changed();
  }

  private listen(): void {
    const { socket } = this.connection;
    socket.on("message", (message) => this.heard(message));
    socket.on("member:joined", ({ room, user, name }) => this.change(room, (it) => it.members.joined({ user, name })));
    socket.on("member:left", ({ room, user }) =>
      this.change(room, (it) => {
        it.members.left({ user });
        it.typists.set(user, false, 0);
      }),
    );
    socket.on("typing", ({ room, user, on }) =>
      this.change(room, (it) => it.typists.set(user, on && user !== this.me.user, Date.now())),
    );
    socket.on("auth:expiring", () => void this.refresh());
  }

  private change(name: string, apply: (room: Room) => void): void {
    const room = this.roster.find(name);
    if (room && room.phase !== "left") {
      apply(room);
      this.options.changed();
    }
  }

  // The server says that the token is about to expire. If no other can be had in time, the connection ends
  // and the next one asks for it.
  private async refresh(): Promise<void> {
    const { session } = this.options;
    const login = await session.renew();
    if (login?.kind === "token" && this.connection.socket.connected) {
      this.connection.socket.emit("auth:refresh", { token: login.token }, () => {});
    }
  }

  private heard(message: Message): void {
    this.change(message.room, (room) => {
      if (room.timeline.live(message)) {
        this.added(room, message, true);
        room.typists.set(message.from, false, 0);
      }
    });
  }

  // A message that was not known before. News is what was said since this page was opened.
  private added(room: Room, message: Message, news: boolean): void {
    if (message.nonce && !this.me.user && this.outbox.has(room.name, message.nonce)) {
      this.me = { user: message.from, name: message.name };
    }
    if (message.from === this.me.user) {
      this.outbox.seen(message);
      return;
    }
    if (news && !(room === this.active && this.reading)) {
      room.unread++;
    }
    if (news) {
      this.options.said(message);
    }
  }

  // Joins a room on the server, or joins it again after a reconnect, from the last message seen.
  private async enter(room: Room): Promise<void> {
    const delivery = this.delivery;
    if (!delivery) {
      return; // once connected
    }
    const { timeline } = room;
    const since = timeline.lastId;
    timeline.joining();
    const reply = await this.connection.socket
      .timeout(answerWithin)
      .emitWithAck("room:join", since === undefined ? { room: room.name } : { room: room.name, since: String(since) })
      .catch((): Reply<Joined> => ({ ok: false, error: { code: "timeout", message: "" } }));
    if (this.delivery === delivery && room.timeline === timeline && room.phase !== "left") {
      this.entered(room, reply, since === undefined);
    }
  }

  private entered(room: Room, reply: Reply<Joined>, first: boolean): void {
    if (!reply.ok) {
      this.notEntered(room, reply.error);
      return;
    }
    room.phase = "joined";
    room.attempts = 0;
    // An empty list may come as null.
    const history = reply.history ?? [];
    room.members.replace(reply.count, reply.members ?? []);
    const inHistory = new Set(history.map(identity));
    for (const message of room.timeline.joined(history, reply.complete)) {
      this.added(room, message, !(first && inHistory.has(identity(message))));
    }
    this.deliver(room);
    this.options.changed();
  }

  private notEntered(room: Room, failure: Failure): void {
    const { delivery } = this;
    room.timeline.notJoined();
    if (passes(failure)) {
      const again = () => this.delivery === delivery && room.phase === "joining" && void this.enter(room);
      setTimeout(again, delayAfter(room.attempts++, Math.random, failure.retryAfterMs));
    } else {
      room.phase = "refused";
      room.failure = failure;
    }
    this.options.changed();
  }

  private deliver(room: Room): void {
    if (room.phase === "joined") {
      void this.delivery?.run(room.name);
    }
  }

  private newDelivery(): Delivery {
    const { outbox, roster } = this;
    return new Delivery({
      outbox,
      check: (entry) => tooLong(entry, this.limits),
      send: ({ room, text, nonce }) =>
        this.connection.socket
          .timeout(answerWithin)
          .emitWithAck("message:send", { room, text, nonce }) as Promise<Reply<Accepted>>,
      pause: (millis) => new Promise((resolve) => setTimeout(resolve, millis)),
      accepted: ({ room, nonce }, as) => {
        if (roster.find(room)?.timeline.has(as)) {
          outbox.drop(nonce); // shown already, from a history without nonces
        }
      },
      refused: (entry, error) => this.setAside(entry, error),
      changed: () => this.options.changed(),
    });
  }

  private tellTyping(notices: { room: string; on: boolean }[]): void {
    for (const notice of notices) {
      if (this.connection.socket.connected && this.roster.find(notice.room)?.phase === "joined") {
        this.connection.socket.volatile.emit("typing", notice);
      }
    }
  }
}

// 128 random bits. crypto.randomUUID is not there on a page that came over plain HTTP from another machine.
function newNonce(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
