import { h, setText } from "../dom.ts";
import { height, points, width } from "./points.ts";

const svg = "http://www.w3.org/2000/svg";

// A number with a name, a note below it, and a line of how it was in the last minute.
export class Tile {
  private readonly value = h("span", { class: "tile-value" });
  private readonly note = h("span", { class: "tile-note" });
  private readonly line = document.createElementNS(svg, "polyline");
  readonly element: HTMLElement;

  constructor(name: string, testid: string) {
    const chart = document.createElementNS(svg, "svg");
    for (const [key, value] of Object.entries({ class: "tile-line", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" })) {
      chart.setAttribute(key, value);
    }
    chart.append(this.line);
    this.element = h("div", { class: "tile", testid }, h("dt", {}, name), h("dd", {}, this.value, this.note, chart));
  }

  show(value: string, note: string, levels: number[]): void {
    setText(this.value, value);
    setText(this.note, note);
    this.line.setAttribute("points", points(levels));
  }
}

// A part of the page with a heading; empty is what stands there when there is nothing to list.
export function panel(title: string, testid: string, ...children: (Node | string)[]): HTMLElement {
  const id = `${testid}-title`;
  return h("section", { class: "panel", testid, "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

// Names and values, those without a value left out.
export function facts(...pairs: [string, string | undefined][]): HTMLElement {
  return h("dl", { class: "facts" }, ...pairs.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
