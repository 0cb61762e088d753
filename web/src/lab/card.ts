import { h, icon, setAttribute } from "../dom.ts";
import { copyable } from "./copy.ts";
import type { Part } from "./mask.ts";
import type { Command, Method, Try } from "./method.ts";
import { Failure, type Outcome, admittedInWords } from "./outcome.ts";
import { Wire } from "./wire.ts";

// Test ids (data-testid) of the page, with the attributes that tell the state:
//
//   frame   lab, lab-off, theme-toggle, to-chat, lab-index
//   a card  lab-card [data-method, data-outcome=none|running|admitted|refused|failed, data-try, data-code],
//           lab-try [data-try], lab-decision, lab-why, lab-wire, lab-mask, lab-command, lab-copy

const clock = (at: Date) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

// Card shows one way in: what it is, what to do for it, and what comes of it.
export class Card {
  readonly element: HTMLElement;

  private readonly decision = h("div", { class: "decision", role: "status", testid: "lab-decision" });
  private readonly wire = h("ol", { class: "wire", testid: "lab-wire", tabindex: "0", "aria-label": "What went over the wire" });
  private readonly buttons: HTMLButtonElement[];

  constructor(method: Method) {
    this.buttons = method.tries.map((one) => this.button(one));
    this.element = h(
      "article",
      { class: "lab-card", id: method.id, testid: "lab-card", "data-method": method.id, "data-outcome": "none", "aria-labelledby": `${method.id}-title` },
      h("div", { class: "about" }, ...about(method)),
      h("div", { class: "at-work" }, ...this.work(method)),
    );
    if (method.tries.length > 0) {
      this.clear("Press a button to see it.");
    }
  }

  private work(method: Method): Node[] {
    if (method.tries.length === 0) {
      return commands(method.commands);
    }
    return [
      h("div", { class: "tries" }, ...this.buttons),
      this.decision,
      h("h4", {}, "Over the wire, secrets masked"),
      this.wire,
      ...commands(method.commands),
    ];
  }

  private button(one: Try): HTMLButtonElement {
    const look = one.expect === "admitted" ? "primary" : "quiet";
    return h("button", { type: "button", class: look, testid: "lab-try", "data-try": one.id, on: { click: () => void this.run(one) } }, one.label);
  }

  private clear(text: string): void {
    this.decision.replaceChildren(h("p", { class: "soft" }, text));
    this.wire.replaceChildren(h("li", { class: "soft" }, "Nothing yet."));
  }

  // One try at a time: the buttons wait for it.
  private async run(one: Try): Promise<void> {
    const wire = new Wire();
    this.busy(true);
    this.mark("running", one);
    this.clear("Trying…");
    const outcome = await one.run(wire).catch(failed);
    this.wire.replaceChildren(...wire.lines.map(({ direction, parts }) => h("li", { class: direction }, h("span", {}, ...shown(parts)))));
    this.decision.replaceChildren(...decided(outcome, one));
    this.mark(outcome.kind, one, outcome.kind === "refused" ? outcome.code : undefined);
    this.busy(false);
  }

  // Disabled buttons would lose the focus.
  private busy(busy: boolean): void {
    for (const button of this.buttons) {
      setAttribute(button, "aria-disabled", busy || undefined);
    }
  }

  private mark(outcome: string, one: Try, code?: string): void {
    for (const [name, value] of Object.entries({ "data-outcome": outcome, "data-try": one.id, "data-code": code })) {
      setAttribute(this.element, name, value);
    }
  }
}

function about(method: Method): Node[] {
  return [
    h("h3", { id: `${method.id}-title` }, method.title),
    h("p", { class: "tags" }, h("span", { class: method.standard ? "tag on" : "tag" }, method.standard ? "On by default" : "Off by default"), h("span", { class: "soft" }, method.where)),
    h("p", {}, method.lead),
    h("pre", { tabindex: "0", "aria-label": "What the client does" }, h("code", {}, method.code)),
    h("p", { class: "danger" }, icon("alert"), h("span", {}, h("strong", {}, "What is dangerous: "), method.danger)),
    ...copyable("To switch it on", method.config),
  ];
}

function commands(list: Command[]): Node[] {
  return list.flatMap(({ label, text }) => copyable(label, text, "lab-command"));
}

function shown(parts: Part[]): (Node | string)[] {
  return parts.map((part) => ("mask" in part ? h("span", { class: "masked", testid: "lab-mask" }, part.mask) : part.text));
}

function decided(outcome: Outcome, one: Try): Node[] {
  const why = outcome.kind === one.expect && h("p", { testid: "lab-why" }, h("strong", {}, "Why: "), one.why);
  switch (outcome.kind) {
    case "admitted":
      return [h("p", { class: "verdict in" }, icon("tick"), admittedInWords(outcome.identity, outcome.transport, clock)), why || h("p")];
    case "refused":
      return [
        h("p", { class: "verdict no" }, icon("leave"), h("span", {}, "Refused: ", h("code", {}, outcome.code))),
        h("p", {}, h("q", {}, outcome.message)),
        why || h("p"),
      ];
    default:
      return [h("p", { class: "verdict" }, icon("alert"), outcome.message)];
  }
}

function failed(error: unknown): Outcome {
  return { kind: "failed", message: error instanceof Failure ? error.message : "The server cannot be reached, or did not answer in time." };
}
