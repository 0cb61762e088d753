import type { Chat } from "../chat.ts";
import { h, icon, setAttribute, setText } from "../dom.ts";
import type { Room } from "../room.ts";
import { typingWords } from "../typing.ts";
import type { Frame, View } from "./view.ts";

const measuredCharacters = 10_000;

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
  private readonly unfit = h("p", { id: "composer-unfit", class: "unfit", role: "alert", testid: "composer-error" });
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
    this.element = h("footer", { class: "foot" }, this.typing, this.unfit, form);
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
    this.check();
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
    this.check();
    if (this.room) {
      this.chat.edit(this.room, this.text.value);
    }
  }

  // Says why the text could not be sent, while it can still be changed.
  private check(): void {
    const text = this.text.value.trim();
    const unfit = text === "" || !this.room ? undefined : this.chat.unfit(this.room, text);
    setText(this.unfit, unfit ?? "");
    setAttribute(this.text, "aria-invalid", unfit !== undefined);
    setAttribute(this.text, "aria-describedby", unfit === undefined ? undefined : this.unfit.id);
    this.send.disabled = text === "" || unfit !== undefined;
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
    const refused = this.chat.say(this.room, text);
    if (refused !== undefined) {
      this.frame.notify(refused);
      return;
    }
    this.text.value = "";
    this.edited();
    this.said();
    this.text.focus();
  }

  // As high as its text, up to what the style allows. A text that surely needs all of it is not measured: that takes long.
  private fit(): void {
    if (this.text.value.length > measuredCharacters) {
      this.text.style.height = "100vh";
      return;
    }
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }
}
