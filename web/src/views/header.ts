import type { Chat } from "../chat.ts";
import { h, icon, setText } from "../dom.ts";
import { Status } from "./status.ts";
import type { Frame, View } from "./view.ts";

// Header names the room, counts who is in it and shows the connection; on small screens it opens the panels.
export class Header implements View {
  readonly element: HTMLElement;

  private readonly chat: Chat;
  private readonly status: Status;
  private readonly title = h("h1", { testid: "room-title" });
  private readonly count = h("span", { testid: "member-count" });
  private readonly unread = h("span", { class: "badge", hidden: true });
  private readonly rooms: HTMLButtonElement;
  private readonly members: HTMLButtonElement;

  constructor(chat: Chat, frame: Frame) {
    this.chat = chat;
    this.status = new Status(chat);
    this.rooms = h(
      "button",
      { type: "button", class: "ghost toggle-rooms", "aria-label": "Rooms", testid: "rooms-toggle", on: { click: () => frame.togglePanel("rooms", this.rooms) } },
      icon("menu"),
      this.unread,
    );
    this.members = h(
      "button",
      { type: "button", class: "ghost toggle-members", testid: "members-toggle", on: { click: () => frame.togglePanel("members", this.members) } },
      icon("people"),
      this.count,
      h("span", { class: "visually-hidden" }, " members"),
    );
    this.element = h("header", { class: "head" }, this.rooms, this.title, this.status.element, this.members);
  }

  update(): void {
    const room = this.chat.active;
    setText(this.title, room ? `# ${room.name}` : "No room");
    setText(this.count, String(room?.members.count ?? 0));
    this.members.hidden = !room;
    const elsewhere = this.chat.unread - (room?.unread ?? 0);
    this.unread.hidden = elsewhere === 0;
    setText(this.unread, elsewhere > 99 ? "99+" : String(elsewhere));
    this.status.update();
  }
}
