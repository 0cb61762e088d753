import { h, icon, setAttribute } from "../dom.ts";
import { copyable } from "./copy.ts";

// Test ids (data-testid) of the card: rules [data-outcome=none|running|allowed|refused|failed], rules-form, rules-namespace,
// rules-room, rules-event, rules-token, rules-ask, rules-decision, rules-step [data-allowed]

interface Decision {
  allowed: boolean;
  rule: string;
  expression?: string;
  values?: string[];
  problem?: string;
}

type Answer = { ok: true; subject: string; allowed: boolean; decisions: Decision[] } | { ok: false; error: { code: string; message: string } };

const example = `namespaces:
  /app:
    admit: name != ""
    rooms:
      - match: "doc:{owner}:{id}"
        join: 'true'
        send: owner == sub`;

const inputs = { autocomplete: "off", autocapitalize: "none", spellcheck: "false" };

// RulesCard answers "what may I do here": the rules of the configuration, asked about somebody's token.
export class RulesCard {
  readonly element: HTMLElement;

  private readonly namespace = h("input", { id: "rules-namespace", testid: "rules-namespace", list: "rules-namespaces", placeholder: "/app", ...inputs });
  private readonly namespaces = h("datalist", { id: "rules-namespaces" });
  private readonly room = h("input", { id: "rules-room", testid: "rules-room", placeholder: "doc:ada:7", ...inputs });
  private readonly event = h("input", { id: "rules-event", testid: "rules-event", placeholder: "edit:title", ...inputs });
  private readonly token = h("textarea", { id: "rules-token", testid: "rules-token", rows: "3", placeholder: "Empty: the lab's own, of ada", ...inputs });
  private readonly decision = h("div", { class: "decision", role: "status", testid: "rules-decision" }, h("p", { class: "soft" }, "Ask to see it."));
  private readonly none = h("div", { class: "about", hidden: true }, h("p", {}, "This server's configuration has no namespaces with rules yet. This one has:"), ...copyable("In the configuration", example));

  constructor() {
    this.element = h(
      "article",
      { class: "lab-card", id: "rules", testid: "rules", "data-outcome": "none", "aria-labelledby": "rules-title" },
      h(
        "div",
        { class: "about" },
        h("h3", { id: "rules-title" }, "What may I do here"),
        h("p", {}, "Once somebody is in, rules of the configuration decide which rooms they may join and what they may send. Name a namespace, a room and an event if you like, and see which rule allows or refuses it, and what it looked at."),
        h("p", { class: "soft" }, "On the command line: ", h("code", {}, "gatehouse explain"), ". This card is there in dev mode only."),
        this.none,
      ),
      h("div", { class: "at-work" }, this.form(), this.decision),
    );
    void this.list();
  }

  private form(): HTMLElement {
    const field = (name: string, input: HTMLElement) => h("div", { class: "rules-field" }, h("label", { for: input.id }, name), input);
    return h(
      "form",
      { class: "rules-form", testid: "rules-form", novalidate: true, on: { submit: (event) => { event.preventDefault(); void this.ask(); } } },
      this.namespaces,
      field("Namespace", this.namespace),
      field("Room (may be empty)", this.room),
      field("Event (may be empty)", this.event),
      field("Token", this.token),
      h("button", { class: "primary", testid: "rules-ask" }, "May I?"),
    );
  }

  private async list(): Promise<void> {
    const { namespaces } = await fetch("/lab/rules").then((response) => (response.ok ? response.json() : { namespaces: [] })).catch(() => ({ namespaces: [] })) as { namespaces: string[] };
    this.namespaces.replaceChildren(...namespaces.map((name) => h("option", { value: name })));
    this.namespace.value ||= namespaces.find((name) => !name.includes("{")) ?? "";
    this.none.hidden = namespaces.length > 0;
  }

  private async ask(): Promise<void> {
    setAttribute(this.element, "data-outcome", "running");
    const question = { token: this.token.value.trim(), namespace: this.namespace.value.trim(), room: this.room.value.trim(), event: this.event.value.trim() };
    const answer = await fetch("/lab/explain", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question) })
      .then((response) => response.json() as Promise<Answer>)
      .catch((): Answer => ({ ok: false, error: { code: "unavailable", message: "The server cannot be reached, or has no lab." } }));
    this.decision.replaceChildren(...(answer.ok ? decided(answer.subject, answer.allowed, answer.decisions) : [h("p", { class: "verdict no" }, icon("alert"), h("span", {}, answer.error.message))]));
    setAttribute(this.element, "data-outcome", answer.ok ? (answer.allowed ? "allowed" : "refused") : "failed");
  }
}

function decided(subject: string, allowed: boolean, decisions: Decision[]): Node[] {
  return [
    h("p", { class: allowed ? "verdict in" : "verdict no" }, icon(allowed ? "tick" : "leave"), h("span", {}, h("strong", {}, subject), allowed ? " may." : " may not.")),
    h("ol", { class: "rules-steps" }, ...decisions.map(step)),
  ];
}

function step({ allowed, rule, expression, values, problem }: Decision): HTMLElement {
  return h(
    "li",
    { testid: "rules-step", "data-allowed": String(allowed) },
    h("p", {}, allowed ? "Allowed by " : "Refused by ", h("code", {}, rule)),
    expression !== undefined && h("pre", { tabindex: "0", "aria-label": "The rule" }, h("code", {}, expression)),
    values !== undefined && values.length > 0 && h("p", { class: "soft" }, "It looked at ", h("code", {}, values.join(", ")), "."),
    problem !== undefined && h("p", { class: "soft" }, problem),
  );
}
