import { h } from "../dom.ts";
import type { Message } from "../protocol.ts";

// Messages that come together are said together.
const gather = 700;
// More of them are counted instead of read.
const readAtMost = 3;
const readCharacters = 200;

// Announcer tells a screen reader what is said. The list itself is no live region: it would be read aloud
// whenever a room is opened.
export class Announcer {
  readonly element = h("div", { class: "visually-hidden", "aria-live": "polite", testid: "announcer" });

  private waiting: Message[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  said(message: Message): void {
    this.waiting.push(message);
    this.timer ??= setTimeout(() => this.announce(), gather);
  }

  private announce(): void {
    const { waiting } = this;
    this.waiting = [];
    this.timer = undefined;
    const words =
      waiting.length > readAtMost
        ? [`${waiting.length} new messages`]
        : waiting.map(({ name, text, room }) => `${name} in ${room}: ${text.slice(0, readCharacters)}`);
    this.element.replaceChildren(...words.map((text) => h("p", {}, text)));
  }
}
