import type { Chat } from "../chat.ts";
import { h, icon, setAttribute, setText } from "../dom.ts";
import { type Room, longestRoomName, roomName } from "../room.ts";
import { Keyed } from "./keyed.ts";
import type { Frame, View } from "./view.ts";

// Rooms lists the rooms that the user knows, joined ones first, and makes new ones.
export class Rooms implements View {
  readonly element: HTMLElement;

  private readonly chat: Chat;
  private readonly frame: Frame;
  private readonly items: Keyed<Room>;
  private readonly name = h("input", {
    id: "room-name",
    testid: "room-create-name",
    placeholder: "Add a room",
    autocomplete: "off",
    autocapitalize: "none",
    maxlength: 2 * longestRoomName,
    "aria-describedby": "room-error",
  });
  private readonly error = h("p", { id: "room-error", class: "error", role: "alert", testid: "room-create-error" });

  constructor(chat: Chat, frame: Frame) {
    this.chat = chat;
    this.frame = frame;
    const list = h("ul", { class: "room-list", testid: "room-list" });
    this.items = new Keyed<Room>(list, (room) => this.create(room), (item, room) => this.show(item, room));
    const form = h(
      "form",
      { class: "room-create", testid: "room-create-form", novalidate: true },
      h("label", { for: "room-name", class: "visually-hidden" }, "Name of a room to create or join"),
      this.name,
      h("button", { class: "quiet square", "aria-label": "Create or join the room", title: "Create or join the room", testid: "room-create-submit" }, icon("plus")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.element = h("nav", { class: "rooms", "aria-label": "Rooms" }, h("h2", {}, "Rooms"), list, form, this.error);
  }

  update(): void {
    const rooms = this.chat.roster.rooms;
    const joined = rooms.filter((room) => room.phase !== "left");
    const others = rooms.filter((room) => room.phase === "left");
    this.items.show([...joined, ...others], (room) => room.name);
  }

  private submit(): void {
    const name = roomName(this.name.value);
    setText(this.error, name ? "" : "Give the room a name.");
    if (!name) {
      this.name.focus();
      return;
    }
    this.name.value = "";
    this.frame.openRoom(name);
  }

  private create(room: Room): HTMLElement {
    const { name } = room;
    return h(
      "li",
      { class: "room-item", testid: "room-item", "data-room": name },
      h(
        "button",
        { type: "button", class: "room-open", testid: "room-open", on: { click: () => this.frame.openRoom(name) } },
        h("span", { class: "room-name" }, h("span", { class: "hash", "aria-hidden": "true" }, "#"), h("bdi", {}, name)),
        h("span", { class: "badge", testid: "room-unread", hidden: true }, h("span", {}), h("span", { class: "visually-hidden" }, " unread")),
        h("span", { class: "join-hint" }, "Join"),
      ),
      h(
        "button",
        {
          type: "button",
          class: "ghost room-leave",
          testid: "room-leave",
          "aria-label": `Leave ${name}`,
          title: `Leave ${name}`,
          on: { click: () => this.leave(room) },
        },
        icon("leave"),
      ),
    );
  }

  private show(item: HTMLElement, room: Room): void {
    const active = room === this.chat.active;
    setAttribute(item, "data-phase", room.phase);
    setAttribute(item, "data-active", active);
    setAttribute(item.querySelector(".room-open") as Element, "aria-current", active ? "page" : undefined);
    const badge = item.querySelector<HTMLElement>(".badge") as HTMLElement;
    badge.hidden = room.unread === 0;
    setText(badge.firstElementChild as Element, room.unread > 99 ? "99+" : String(room.unread));
    (item.querySelector(".join-hint") as HTMLElement).hidden = room.phase !== "left";
    (item.querySelector(".room-leave") as HTMLElement).hidden = room.phase === "left";
  }

  private leave(room: Room): void {
    if (!this.chat.leave(room)) {
      this.frame.notify(`Something you wrote in #${room.name} is not sent yet. Send or discard it before you leave.`);
      return;
    }
    this.element.querySelector<HTMLElement>("[data-active] .room-open, .room-open")?.focus();
  }
}
