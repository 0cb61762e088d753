import type { Chat } from "../chat.ts";
import { avatar, h, setText } from "../dom.ts";
import type { Member } from "../protocol.ts";
import { issuerMark } from "./message.ts";
import { Keyed } from "./keyed.ts";
import type { View } from "./view.ts";

// MemberList shows who is in the active room.
export class MemberList implements View {
  readonly element: HTMLElement;

  private readonly chat: Chat;
  private readonly items: Keyed<Member>;
  private readonly title = h("h2", {});
  private readonly more = h("p", { class: "soft", testid: "member-more" });

  constructor(chat: Chat) {
    this.chat = chat;
    const list = h("ul", { class: "member-list", testid: "member-list" });
    this.items = new Keyed<Member>(list, (member) => this.create(member), (item, { name }) => setText(item.querySelector("bdi") as Element, name));
    this.element = h("section", { class: "members", "aria-label": "Members" }, this.title, list, this.more);
  }

  update(): void {
    const members = this.chat.active?.members;
    setText(this.title, `Members · ${members?.count ?? 0}`);
    this.items.show(members?.list ?? [], ({ user }) => user);
    const unlisted = members?.unlisted ?? 0;
    this.more.hidden = unlisted === 0;
    setText(this.more, unlisted === 1 ? "and 1 more" : `and ${unlisted} more`);
  }

  private create({ user, name }: Member): HTMLElement {
    return h(
      "li",
      { class: "member", testid: "member", "data-user": user },
      avatar(user, name),
      h("bdi", { class: "name" }, name),
      issuerMark(user),
      user === this.chat.me.user && h("span", { class: "you" }, "you"),
    );
  }
}
