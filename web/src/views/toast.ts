import { h } from "../dom.ts";

const shownFor = 6_000;

// Toast says one sentence for a few seconds.
export class Toast {
  readonly element = h("div", { class: "toast", role: "status", testid: "notice" });

  private timer: ReturnType<typeof setTimeout> | undefined;

  show(text: string): void {
    clearTimeout(this.timer);
    this.element.textContent = text;
    this.timer = setTimeout(() => this.element.replaceChildren(), shownFor);
  }
}
