import type { Chat } from "../chat.ts";
import { h, icon } from "../dom.ts";
import { maxOutgoing } from "../outbox.ts";
import type { Room } from "../room.ts";
import { typingWords } from "../typing.ts";
import type { Frame, View } from "./view.ts";

// Composer is where a message is written. It stays open without a connection: what is sent then waits.
export class Composer implements View {
  readonly element: HTMLElement;

  private readonly chat: Chat;
  private readonly frame: Frame;
  private readonly said: () => void;
  private room: Room | undefined;
  private readonly typing = h("p", { class: "typing", testid: "typing" });
  private readonly text = h("textarea", {
    rows: "1",
    testid: "composer-text",
    autocomplete: "off",
    enterkeyhint: "send",
    dir: "auto",
    on: { input: () => this.edited(), keydown: (event) => this.key(event) },
  });
  private readonly send = h("button", { class: "primary round", "aria-label": "Send", title: "Send", testid: "composer-send" }, icon("send"));

  // `said` is called after each message.
  constructor(chat: Chat, frame: Frame, said: () => void) {
    this.chat = chat;
    this.frame = frame;
    this.said = said;
    const form = h("form", { class: "composer", testid: "composer", novalidate: true }, this.text, this.send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.element = h("footer", { class: "foot" }, this.typing, form);
  }

  update(): void {
    const room = this.chat.active;
    if (room !== this.room) {
      this.room = room;
      this.text.value = room?.draft ?? "";
      this.fit();
    }
    this.element.hidden = !room || room.phase === "refused";
    if (room) {
      const label = `Message #${room.name}`;
      this.text.placeholder = label;
      this.text.setAttribute("aria-label", label);
      this.showTyping(room);
    }
    this.send.disabled = this.text.value.trim() === "";
  }

  focus(): void {
    this.text.focus();
  }

  // Puts a text back for its writer to change, before what stands here already.
  putBack(text: string): void {
    this.text.value = this.text.value.trim() === "" ? text : `${text}\n${this.text.value}`;
    this.edited();
    this.text.focus();
  }

  private showTyping(room: Room): void {
    const names = room.typists.at(Date.now()).map((user) => room.members.nameOf(user) ?? "Somebody");
    const words = typingWords(names);
    if (this.typing.textContent !== words.map(({ text }) => text).join("")) {
      this.typing.replaceChildren(...words.map(({ text, name }) => h(name ? "bdi" : "span", {}, text)));
    }
  }

  private edited(): void {
    this.fit();
    this.send.disabled = this.text.value.trim() === "";
    if (this.room) {
      this.chat.edit(this.room, this.text.value);
    }
  }

  // Enter sends, Shift+Enter starts a line. While an input method composes a word, Enter belongs to it.
  private key(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    }
  }

  private submit(): void {
    const text = this.text.value.trim();
    if (!this.room || !text) {
      return;
    }
    if (!this.chat.say(this.room, text)) {
      this.frame.notify(`${maxOutgoing} messages wait already. Reconnect before you write more.`);
      return;
    }
    this.text.value = "";
    this.edited();
    this.said();
    this.text.focus();
  }

  private fit(): void {
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }
}
