import type { Chat } from "../chat.ts";
import type { ConnectionState } from "../connection.ts";
import { h, setAttribute, setText } from "../dom.ts";
import type { View } from "./view.ts";

// Status is the small word in the header that says how the connection is.
export class Status implements View {
  private readonly chat: Chat;
  private readonly words = h("span", {});
  readonly element = h("p", { class: "status", role: "status", testid: "connection-state" }, h("span", { class: "dot", "aria-hidden": "true" }), this.words);

  constructor(chat: Chat) {
    this.chat = chat;
  }

  update(): void {
    const { state } = this.chat;
    setAttribute(this.element, "data-state", state.kind);
    setAttribute(this.element, "data-transport", state.kind === "connected" ? state.transport : undefined);
    setAttribute(this.element, "title", state.kind === "connected" ? `Connected over ${state.transport}` : undefined);
    setText(this.words, word(state));
  }
}

// Without the seconds: a screen reader would say each of them.
function word(state: ConnectionState): string {
  switch (state.kind) {
    case "connecting":
      return "Connecting";
    case "connected":
      return "Connected";
    case "waiting":
      return "Reconnecting";
    case "offline":
      return "Offline";
    case "refused":
      return "Not connected";
  }
}

// Notice stands above the composer while there is no connection: what happens next, and what waits.
export class Notice implements View {
  private readonly chat: Chat;
  private readonly words = h("span", { class: "words" });
  private readonly retry = h("button", { type: "button", class: "link", testid: "connection-retry", on: { click: () => this.chat.reconnect() } }, "Try now");
  readonly element = h("div", { class: "notice", testid: "connection-notice" }, this.words, this.retry);

  constructor(chat: Chat) {
    this.chat = chat;
  }

  update(): void {
    const { state } = this.chat;
    const waiting = this.chat.outbox.waiting;
    const words = [happening(state), waiting > 0 && state.kind !== "connected" && queued(waiting)].filter(Boolean).join(" ");
    this.element.hidden = state.kind === "connected" || state.kind === "refused" || words === "";
    this.retry.hidden = state.kind !== "waiting" && state.kind !== "offline";
    setText(this.words, words);
  }
}

function happening(state: ConnectionState): string {
  switch (state.kind) {
    case "waiting": {
      const reason = state.reason.charAt(0).toUpperCase() + state.reason.slice(1);
      return `${reason}. Trying again in ${Math.max(1, Math.ceil((state.until - Date.now()) / 1000))} s.`;
    }
    case "offline":
      return "You are offline. The page comes back by itself.";
    case "connecting":
      return state.again ? "Connecting…" : "";
    default:
      return "";
  }
}

function queued(count: number): string {
  return count === 1 ? "1 message waits to be sent." : `${count} messages wait to be sent, in order.`;
}
