import { h, setAttribute } from "../dom.ts";

export type Panel = "rooms" | "members";

// Panels are the columns at the sides. On small screens they lie over the messages, one at a time; while one
// is open the rest of the page is out of reach, Escape closes it, and the focus returns to where it came from.
export class Panels {
  readonly scrim: HTMLElement;

  private readonly shell: HTMLElement;
  private readonly sides: Record<Panel, HTMLElement>;
  private readonly middle: HTMLElement;
  private open: Panel | undefined;
  private opener: HTMLElement | undefined;

  constructor(shell: HTMLElement, sides: Record<Panel, HTMLElement>, middle: HTMLElement, signal: AbortSignal) {
    this.shell = shell;
    this.sides = sides;
    this.middle = middle;
    this.scrim = h("div", { class: "scrim", on: { click: () => this.close() } });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.close(), { signal });
    matchMedia("(min-width: 64rem)").addEventListener("change", () => this.close(), { signal });
  }

  toggle(panel: Panel, opener: HTMLElement): void {
    if (this.open === panel) {
      this.close();
      return;
    }
    this.show(panel);
    this.opener = opener;
    setAttribute(opener, "aria-expanded", "true");
    this.sides[panel].focus();
  }

  close(): void {
    if (!this.open) {
      return;
    }
    this.show(undefined);
    setAttribute(this.opener as Element, "aria-expanded", "false");
    this.opener?.focus();
  }

  private show(panel: Panel | undefined): void {
    this.open = panel;
    setAttribute(this.shell, "data-panel", panel);
    this.middle.inert = panel !== undefined;
  }
}
