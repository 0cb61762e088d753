import type { Chat } from "../chat.ts";
import { h, icon, setText } from "../dom.ts";
import { explainRequest } from "../errors.ts";
import type { Room } from "../room.ts";
import { type Row, rowsOf } from "../rows.ts";
import { Window } from "../window.ts";
import { Keyed } from "./keyed.ts";
import { createRow, updateRow } from "./message.ts";
import type { Frame, View } from "./view.ts";

// This close to the end counts as there.
const nearEnd = 48;

// Messages is the scrolled list of the active room. It holds a window of the timeline, follows the newest
// message as long as its end is in sight, and otherwise leaves the reader where they are.
export class Messages implements View {
  readonly element: HTMLElement;

  private readonly chat: Chat;
  private readonly scroller: HTMLElement;
  private readonly list = h("ol", { class: "rows" });
  private readonly rows: Keyed<Row>;
  private readonly earlier = button("show-earlier", "Show earlier messages", () => this.step("earlier"));
  private readonly later = button("show-later", "Show later messages", () => this.step("later"));
  private readonly empty: HTMLElement;
  private readonly refused: HTMLElement;
  private readonly jump: HTMLButtonElement;

  private room: Room | undefined;
  private window = new Window();
  private following = true;
  private atNewest = true; // the window reached the end when it was last shown

  constructor(chat: Chat, frame: Frame) {
    this.chat = chat;
    const actions = {
      retry: (nonce: string) => this.room && chat.retry(this.room, nonce),
      edit: (nonce: string) => {
        const text = this.room && chat.takeBack(this.room, nonce);
        if (text !== undefined) {
          frame.compose(text);
        }
      },
      discard: (nonce: string) => chat.discard(nonce),
    };
    this.rows = new Keyed<Row>(this.list, (row) => createRow(row, actions), updateRow);
    this.empty = emptyRoom(frame);
    this.refused = refusedRoom(() => this.room && chat.join(this.room));
    this.jump = h(
      "button",
      { type: "button", class: "jump", testid: "new-messages", hidden: true, on: { click: () => this.toEnd() } },
      icon("down"),
      h("span", {}),
    );
    this.scroller = h(
      "div",
      { class: "scroller", role: "log", "aria-live": "off", "aria-label": "Messages", tabindex: "0", testid: "message-list" },
      this.earlier,
      this.empty,
      this.refused,
      this.list,
      this.later,
    );
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.stick()).observe(this.scroller);
    this.element = h("div", { class: "messages" }, this.scroller, this.jump);
  }

  update(): void {
    const room = this.chat.active;
    if (room !== this.room) {
      this.room = room;
      this.window = new Window();
      this.following = true;
    }
    this.show();
  }

  // Shows the newest messages and follows them from now on: the user has said something, or asked for it.
  toEnd(): void {
    this.following = true;
    this.window.latest(this.length);
    this.show();
  }

  private show(): void {
    const { room } = this;
    this.window.update(this.length, this.following);
    const { start, end } = this.window;
    this.atNewest = end === this.length;
    const rows = room
      ? rowsOf(
          { entries: room.timeline.entries.slice(start, end), oldest: start === 0, newest: this.atNewest },
          this.chat.outbox.entries(room.name),
          this.chat.me,
        )
      : [];
    this.holdingPlace(() => {
      this.rows.show(rows, (row) => row.key);
      this.earlier.hidden = start === 0;
      this.later.hidden = this.atNewest;
      this.empty.hidden = rows.some(({ kind }) => kind === "message") || room?.phase === "refused";
      this.showRefused();
    });
    this.stick();
    this.showJump();
  }

  // Keeps what the reader sees where it is while rows come and go above it.
  private holdingPlace(change: () => void): void {
    const anchor = this.following ? undefined : this.firstInSight();
    const before = anchor?.offsetTop ?? 0;
    change();
    if (anchor?.isConnected) {
      this.scroller.scrollTop += anchor.offsetTop - before;
    }
  }

  private firstInSight(): HTMLElement | undefined {
    const top = this.scroller.scrollTop;
    const rows = [...this.list.children] as HTMLElement[];
    return rows.find((row) => row.offsetTop + row.offsetHeight > top && row.classList.contains("message"));
  }

  private step(direction: "earlier" | "later"): void {
    this.following = false;
    if (direction === "earlier") {
      this.window.earlier();
    } else {
      this.window.later(this.length);
    }
    this.show();
    this.scroller.focus({ preventScroll: true });
  }

  private stick(): void {
    if (this.following) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
    }
    this.reportReading();
  }

  private scrolled(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    this.following = this.atNewest && scrollHeight - scrollTop - clientHeight < nearEnd;
    this.reportReading();
    this.showJump();
  }

  private reportReading(): void {
    this.chat.read(this.following && document.visibilityState === "visible" && this.room !== undefined);
  }

  private showJump(): void {
    const unread = this.room?.unread ?? 0;
    this.jump.hidden = this.following || this.length === 0;
    const words = unread === 0 ? "Go to the newest" : unread === 1 ? "1 new message" : `${unread} new messages`;
    setText(this.jump.lastElementChild as Element, words);
  }

  private showRefused(): void {
    const failure = this.room?.phase === "refused" ? this.room.failure : undefined;
    this.refused.hidden = failure === undefined;
    if (failure) {
      setText(this.refused.querySelector("p") as Element, explainRequest(failure));
    }
  }

  private get length(): number {
    return this.room?.timeline.entries.length ?? 0;
  }
}

function button(testid: string, text: string, click: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "quiet more", testid, hidden: true, on: { click } }, text);
}

function emptyRoom(frame: Frame): HTMLElement {
  const copy = async () => {
    await navigator.clipboard.writeText(location.href);
    frame.notify("The link to this room is copied. Open it in a private window, under another name.");
  };
  return h(
    "div",
    { class: "empty", testid: "empty-room" },
    icon("gate"),
    h("h2", {}, "It is quiet here"),
    h("p", {}, "Say something, or sign in under another name in a private window and talk to yourself."),
    // The clipboard is there on secure origins only.
    navigator.clipboard &&
      h("button", { type: "button", class: "quiet", testid: "copy-link", on: { click: () => void copy() } }, icon("link"), "Copy the link to this room"),
  );
}

function refusedRoom(retry: () => void): HTMLElement {
  return h(
    "div",
    { class: "empty", role: "alert", testid: "room-refused", hidden: true },
    icon("alert"),
    h("h2", {}, "This room did not open"),
    h("p", {}),
    h("button", { type: "button", class: "primary", testid: "room-retry", on: { click: retry } }, "Try again"),
  );
}
