import { avatar, h, icon, setAttribute } from "../dom.ts";
import { explainRequest, remediesOf } from "../errors.ts";
import { type Piece, piecesOf } from "../links.ts";
import { issuerOf } from "../protocol.ts";
import type { MessageRow, Row, Status } from "../rows.ts";

export interface MessageActions {
  retry(nonce: string): void;
  edit(nonce: string): void;
  discard(nonce: string): void;
}

// The browser would take minutes to lay out all of a text that is much longer, which waits here and nobody accepts.
const shownCharacters = 50_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

const statusText: Record<Status, string> = {
  queued: "Waiting for the connection",
  sending: "Sending",
  sent: "Sent",
  delivered: "Sent",
  failed: "Not sent",
};

const statusIcon = { queued: "clock", sending: "clock", sent: "tick", delivered: "tick", failed: "alert" } as const;

export function createRow(row: Row, actions: MessageActions): HTMLElement {
  switch (row.kind) {
    case "gap":
      return h("li", { class: "divider divider-gap", testid: "gap" }, h("span", {}, row.first ? "There were earlier messages: the server no longer has them" : "Some messages are missing here: the server no longer has them"));
    case "day":
      return h("li", { class: "divider", testid: "day" }, h("span", {}, dayText(row.at)));
    case "message":
      return createMessage(row, actions);
  }
}

// What may change in the life of a message: its place in the group, its delivery, and its id and time once
// the server has given them.
export function updateRow(element: HTMLElement, row: Row): void {
  if (row.kind !== "message") {
    return;
  }
  setAttribute(element, "data-first", row.first);
  if (row.id !== undefined && element.dataset["id"] !== row.id) {
    element.dataset["id"] = row.id;
    element.querySelector("time")?.replaceWith(timeOf(row.at));
  }
  if (row.status && element.dataset["status"] !== row.status) {
    element.dataset["status"] = row.status;
    element.querySelector(".ticks")?.replaceWith(ticks(row.status));
    showError(element, row);
  }
}

function createMessage(row: MessageRow, actions: MessageActions): HTMLElement {
  const { nonce } = row;
  const element = h(
    "li",
    { class: "message", testid: "message", "data-own": row.own, "data-nonce": nonce },
    !row.own && avatar(row.from, row.name),
    h(
      "div",
      { class: "bubble" },
      h("span", { class: row.own ? "sender visually-hidden" : "sender", testid: "message-sender" }, row.own ? "You" : row.name, !row.own && issuerMark(row.from)),
      h("p", { class: "text", dir: "auto", testid: "message-text" }, ...piecesOf(shown(row.text)).map(piece)),
      h("span", { class: "meta" }, timeOf(row.at), row.own && ticks(row.status ?? "delivered")),
    ),
    row.own &&
      nonce !== undefined &&
      h(
        "div",
        { class: "failed", hidden: true },
        h("span", { testid: "message-error" }),
        h("button", { type: "button", class: "link retry", testid: "message-retry", on: { click: () => actions.retry(nonce) } }, "Try again"),
        h("button", { type: "button", class: "link edit", testid: "message-edit", on: { click: () => actions.edit(nonce) } }, "Edit"),
        h("button", { type: "button", class: "link", testid: "message-discard", on: { click: () => actions.discard(nonce) } }, "Discard"),
      ),
  );
  updateRow(element, row);
  return element;
}

function shown(text: string): string {
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}

// Where a link leads decides its reader: that page learns nothing of this one.
function piece({ text, href }: Piece): HTMLElement | string {
  return href === undefined ? text : h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, text);
}

// Tells users apart who have one name and come from different issuers.
export function issuerMark(user: string): HTMLElement | undefined {
  const issuer = issuerOf(user);
  return issuer === undefined ? undefined : h("span", { class: "issuer", title: issuer }, ` · ${issuer.replace(/^https?:\/\//, "")}`);
}

function ticks(status: Status): HTMLElement {
  return h(
    "span",
    { class: "ticks", testid: "message-status", title: statusText[status] },
    icon(statusIcon[status]),
    h("span", { class: "visually-hidden" }, statusText[status]),
  );
}

function timeOf(at: number): HTMLElement {
  const date = new Date(at);
  return h("time", { datetime: date.toISOString(), title: full.format(date), testid: "message-time" }, clock.format(date));
}

function showError(element: HTMLElement, row: MessageRow): void {
  const failed = element.querySelector<HTMLElement>(".failed");
  if (!failed) {
    return;
  }
  const { retry, edit } = remediesOf(row.error ?? { code: "", message: "" });
  failed.hidden = row.status !== "failed";
  (failed.querySelector("span") as HTMLElement).textContent = row.error ? explainRequest(row.error) : "";
  (failed.querySelector(".retry") as HTMLElement).hidden = !retry;
  (failed.querySelector(".edit") as HTMLElement).hidden = !edit;
}

function dayText(at: number): string {
  const today = new Date();
  const date = new Date(at);
  if (date.toDateString() === today.toDateString()) {
    return "Today";
  }
  today.setDate(today.getDate() - 1);
  return date.toDateString() === today.toDateString() ? "Yesterday" : day.format(date);
}
