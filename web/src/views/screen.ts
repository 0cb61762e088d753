import { Chat } from "../chat.ts";
import { avatar, h, icon } from "../dom.ts";
import type { Keep } from "../keep.ts";
import { hashOf, roomInHash } from "../room.ts";
import type { Session } from "../session.ts";
import { Announcer } from "./announcer.ts";
import { Composer } from "./composer.ts";
import { Header } from "./header.ts";
import { MemberList } from "./members.ts";
import { Messages } from "./messages.ts";
import { Panels } from "./panels.ts";
import { Refusal } from "./refusal.ts";
import { Rooms } from "./rooms.ts";
import { Notice } from "./status.ts";
import { themeButton } from "./theme.ts";
import { Toast } from "./toast.ts";
import type { Frame, View } from "./view.ts";

// How often what depends on the time is shown anew: countdowns, and typing that has ended.
const tick = 500;

const defaultRoom = "lobby";

export interface ScreenOptions {
  session: Session;
  storage: Keep;
  transports?: string[];
  signedOut: () => void;
}

// Screen is the page of somebody who is signed in: it puts the parts together and brings them up to date.
export class Screen implements Frame {
  readonly element: HTMLElement;

  private readonly chat: Chat;
  private readonly panels: Panels;
  private readonly views: View[];
  private readonly messages: Messages;
  private readonly composer: Composer;
  private readonly announcer = new Announcer();
  private readonly toast = new Toast();
  private readonly ends = new AbortController();
  private readonly signedOut: () => void;
  private scheduled = false;

  constructor({ signedOut, ...options }: ScreenOptions) {
    this.signedOut = signedOut;
    this.chat = new Chat({
      ...options,
      changed: () => this.schedule(),
      said: (message) => this.announcer.said(message),
      refused: (entry, failure) => this.announcer.refused(entry, failure),
    });
    this.messages = new Messages(this.chat, this);
    this.composer = new Composer(this.chat, this, () => this.messages.toEnd());
    const rooms = new Rooms(this.chat, this);
    const members = new MemberList(this.chat);
    const header = new Header(this.chat, this);
    const refusal = new Refusal(this.chat, this);
    const notice = new Notice(this.chat);
    this.views = [rooms, header, members, refusal, this.messages, notice, this.composer];

    const left = h("aside", { class: "side side-rooms", tabindex: "-1", "aria-label": "Rooms and account" }, h("div", { class: "side-top" }, brand(), this.closeButton()), rooms.element, this.account());
    const right = h("aside", { class: "side side-members", tabindex: "-1", "aria-label": "Members" }, h("div", { class: "side-top" }, this.closeButton()), members.element);
    const middle = h("main", { class: "middle" }, header.element, refusal.element, this.messages.element, notice.element, this.composer.element);
    this.element = h("div", { class: "shell", testid: "chat" }, this.skipLink(), left, middle, right, this.announcer.element, this.toast.element);
    this.panels = new Panels(this.element, { rooms: left, members: right }, middle, this.ends.signal);
    this.element.append(this.panels.scrim);
  }

  // Once the element is in the page.
  start(): void {
    const { signal } = this.ends;
    addEventListener("hashchange", () => this.followHash(), { signal });
    document.addEventListener("visibilitychange", () => this.schedule(), { signal });
    const timer = setInterval(() => this.timeMatters() && this.schedule(), tick);
    signal.addEventListener("abort", () => clearInterval(timer));
    const joined = this.chat.roster.rooms.find((room) => room.phase !== "left");
    this.openRoom(roomInHash(location.hash) ?? joined?.name ?? defaultRoom);
  }

  openRoom(name: string): void {
    this.panels.close();
    this.chat.open(name);
    if (roomInHash(location.hash) !== name) {
      location.hash = hashOf(name);
    }
    if (matchMedia("(hover: hover)").matches) {
      this.composer.focus(); // elsewhere it would open the keyboard
    }
  }

  togglePanel(panel: "rooms" | "members", opener: HTMLElement): void {
    this.panels.toggle(panel, opener);
  }

  notify(text: string): void {
    this.toast.show(text);
  }

  compose(text: string): void {
    this.composer.putBack(text);
  }

  signOut(): void {
    this.ends.abort();
    this.chat.close();
    this.signedOut();
  }

  private followHash(): void {
    const name = roomInHash(location.hash);
    if (name && name !== this.chat.active?.name) {
      this.openRoom(name);
    }
  }

  private timeMatters(): boolean {
    const { state, active } = this.chat;
    return state.kind === "waiting" || state.kind === "refused" || (active?.typists.at(Date.now()).length ?? 0) > 0;
  }

  // Any number of changes lead to one update per frame. A hidden page gets no frames, and still counts
  // what is unread in its title.
  private schedule(): void {
    if (this.scheduled) {
      return;
    }
    this.scheduled = true;
    const update = () => {
      this.scheduled = false;
      this.update();
    };
    if (document.visibilityState === "visible") {
      requestAnimationFrame(update);
    } else {
      setTimeout(update, tick);
    }
  }

  private update(): void {
    if (this.ends.signal.aborted) {
      return;
    }
    for (const view of this.views) {
      view.update();
    }
    const { unread, active } = this.chat;
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${active ? `#${active.name} · ` : ""}Gatehouse`;
  }

  // Seen on small screens only.
  private closeButton(): HTMLElement {
    return h("button", { type: "button", class: "ghost close-panel", "aria-label": "Close", on: { click: () => this.panels.close() } }, icon("leave"));
  }

  private skipLink(): HTMLElement {
    return h("button", { type: "button", class: "skip", testid: "skip-link", on: { click: () => this.composer.focus() } }, "Skip to the message box");
  }

  private account(): HTMLElement {
    const { user, name } = this.chat.me;
    return h(
      "div",
      { class: "account" },
      avatar(user, name),
      h("bdi", { class: "name", testid: "me-name", title: name }, name),
      h(
        "div",
        { class: "tools" },
        h("a", { class: "ghost", href: "/auth-lab", "aria-label": "Auth lab", title: "Auth lab: every way to sign in", testid: "to-lab" }, icon("key")),
        themeButton(),
        h(
          "button",
          { type: "button", class: "ghost", "aria-label": "Sign out", title: "Sign out", testid: "sign-out", on: { click: () => this.signOut() } },
          icon("out"),
        ),
      ),
    );
  }
}

function brand(): HTMLElement {
  return h("p", { class: "brand" }, icon("gate"), "Gatehouse");
}
