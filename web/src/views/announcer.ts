import { h } from "../dom.ts";
import { explainRequest } from "../errors.ts";
import type { Outgoing } from "../outbox.ts";
import type { Failure, Message } from "../protocol.ts";

// Messages that come together are said together.
const gather = 700;
// More of them are counted instead of read.
const readAtMost = 3;
const readCharacters = 200;
// What was refused is named by its beginning.
const quoteCharacters = 40;

// Announcer tells a screen reader what is said. The list itself is no live region: it would be read aloud
// whenever a room is opened.
export class Announcer {
  readonly element = h("div", { class: "visually-hidden", "aria-live": "polite", testid: "announcer" });

  private waiting: Message[] = [];
  private refusals: string[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  said(message: Message): void {
    this.waiting.push(message);
    this.timer ??= setTimeout(() => this.announce(), gather);
  }

  refused({ room, text }: Outgoing, failure: Failure): void {
    this.refusals.push(`Not sent in ${room}: “${text.slice(0, quoteCharacters)}”. ${explainRequest(failure)}`);
    this.timer ??= setTimeout(() => this.announce(), gather);
  }

  private announce(): void {
    const { waiting, refusals } = this;
    this.waiting = [];
    this.refusals = [];
    this.timer = undefined;
    const words =
      waiting.length > readAtMost
        ? [`${waiting.length} new messages`]
        : waiting.map(({ name, text, room }) => `${name} in ${room}: ${text.slice(0, readCharacters)}`);
    this.element.replaceChildren(...[...words, ...refusals].map((text) => h("p", {}, text)));
  }
}
