import { h, setText } from "../dom.ts";
import { Keyed } from "../views/keyed.ts";
import { facts, panel } from "./parts.ts";
import type { Example, Lately, Now } from "./protocol.ts";
import { type Rates, refusals } from "./rates.ts";
import { clock, count, wordsOf } from "./words.ts";

interface Row {
  code: string;
  all: number;
  minute: number;
  examples: Example[];
}

const places = { connection: "when connecting", namespace: "at a namespace", request: "at an HTTP request" };

// Who was refused: how often for which reason, and the last examples of each.
export class RefusedPanel {
  private readonly empty = h("p", { class: "soft" }, "Nobody has been refused since the server began.");
  private readonly list = h("ul", { class: "rows" });
  private readonly rows = new Keyed<Row>(this.list, create, update);
  private examples: Record<string, Example[]> = {};
  readonly element = panel("Refused", "refused", this.empty, this.list);

  lately(news: Lately): void {
    this.examples = news.refusals ?? {};
  }

  show(now: Now, rates: Rates): void {
    const rows = [...new Set(now.refused.map((one) => one.code))].map((code) => ({
      code,
      all: refusals(now, (one) => one.code === code),
      minute: rates.grown((then) => refusals(then, (one) => one.code === code)),
      examples: this.examples[code] ?? [],
    }));
    rows.sort((a, b) => b.minute - a.minute || b.all - a.all || a.code.localeCompare(b.code));
    this.empty.hidden = rows.length > 0;
    this.rows.show(rows, (row) => row.code);
  }
}

function create({ code }: Row): HTMLElement {
  const words = wordsOf(code);
  return h(
    "li",
    { testid: "refused-row", "data-code": code },
    h(
      "details",
      {},
      h("summary", {}, h("span", { class: "row-name" }, words, words !== code && h("code", { class: "soft" }, code)), h("span", { class: "row-count" })),
      h("ol", { class: "examples" }),
    ),
  );
}

function update(row: HTMLElement, { all, minute, examples }: Row): void {
  setText(row.querySelector(".row-count") as Element, minute > 0 ? `${count(all)}, ${count(minute)} in the last minute` : count(all));
  const list = row.querySelector(".examples") as HTMLElement;
  const newest = examples.at(-1)?.at ?? "none";
  if (list.dataset["newest"] !== newest) {
    list.dataset["newest"] = newest;
    list.replaceChildren(...(examples.length > 0 ? examples.toReversed().map(example) : [h("li", { class: "soft" }, "No example is kept of this.")]));
  }
}

function example(one: Example): HTMLElement {
  const where = one.namespace ? `at ${one.namespace}` : places[one.where];
  return h(
    "li",
    {},
    h("p", {}, `${clock(one.at)}, ${where}${one.address ? `, from ${one.address}` : ""}`),
    facts(["Page", one.origin], ["Path", one.path], ["Was told", one.message], ["Cause", one.cause === one.message ? undefined : one.cause]),
  );
}
