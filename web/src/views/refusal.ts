import type { Chat } from "../chat.ts";
import { h, icon, setAttribute, setText } from "../dom.ts";
import { explainRefusal } from "../errors.ts";
import type { Frame, View } from "./view.ts";

// Refusal says why the server keeps this page out and what can be done about it. Nothing is tried again
// until the user asks for it.
export class Refusal implements View {
  readonly element: HTMLElement;

  private readonly chat: Chat;
  private readonly title = h("h2", { testid: "refusal-title" });
  private readonly text = h("p", { testid: "refusal-text" });
  private readonly retry = h("button", { type: "button", testid: "refusal-retry", on: { click: () => this.chat.reconnect() } }, "Try again");
  private readonly signIn: HTMLButtonElement;

  constructor(chat: Chat, frame: Frame) {
    this.chat = chat;
    this.signIn = h("button", { type: "button", testid: "refusal-signin", on: { click: () => frame.signOut() } }, "Sign in again");
    this.element = h(
      "div",
      { class: "refusal", role: "alert", testid: "refusal", hidden: true },
      icon("alert"),
      h("div", {}, this.title, this.text, h("div", { class: "buttons" }, this.retry, this.signIn)),
    );
  }

  update(): void {
    const { state } = this.chat;
    this.element.hidden = state.kind !== "refused";
    if (state.kind !== "refused") {
      return;
    }
    const { title, text, remedy } = explainRefusal(state.failure);
    const wait = Math.ceil((state.until - Date.now()) / 1000);
    setAttribute(this.element, "data-code", state.failure.code);
    setText(this.title, title);
    setText(this.text, text);
    setText(this.retry, wait > 0 ? `Try again in ${wait} s` : "Try again");
    this.retry.disabled = wait > 0;
    this.retry.className = remedy === "retry" ? "primary" : "quiet";
    this.signIn.className = remedy === "sign-in" ? "primary" : "quiet";
  }
}
