import "../style/admin.css";

import { h, icon, setAttribute, setText } from "../dom.ts";
import { storage } from "../keep.ts";
import { applyTheme, themeButton } from "../views/theme.ts";
import { FramesPanel } from "./frames.ts";
import { PersonPanel } from "./person.ts";
import type { Behind, Lately, Now } from "./protocol.ts";
import { Rates } from "./rates.ts";
import { RefusedPanel } from "./refused.ts";
import { NamespacesPanel, NodesPanel, RevokedPanel, SlowPanel, Tiles } from "./state.ts";
import { Refused, Server } from "./stream.ts";
import { duration } from "./words.ts";

const again = 2000; // ms until the server is asked again

const tab = storage("sessionStorage"); // the key goes with the tab
const keyName = "gatehouse.operator";

const server = new Server();
server.key = tab.getItem(keyName) ?? "";

const tiles = new Tiles();
const refused = new RefusedPanel();
const slow = new SlowPanel();
const nodes = new NodesPanel();
const spaces = new NamespacesPanel();
const revoked = new RevokedPanel();
const frames = new FramesPanel(server);
const person = new PersonPanel(server, (choice) => void frames.watch(choice));
let rates = new Rates();

const state = h("p", { class: "status", role: "status", testid: "state" });
const pause = h("button", { type: "button", class: "quiet", testid: "pause", "aria-pressed": "false" }, "Pause");
const main = h(
  "main",
  { hidden: true },
  tiles.element,
  h("div", { class: "columns" }, h("div", {}, refused.element, person.element, frames.element), h("div", {}, nodes.element, slow.element, spaces.element, revoked.element)),
);
const gate = keyForm();

function top(): HTMLElement {
  return h("header", { class: "admin-top" }, h("h1", { class: "brand" }, icon("gate"), "Gatehouse ", h("span", { class: "soft" }, "for operators")), state, pause, themeButton());
}

function keyForm(): HTMLElement {
  const input = h("input", { id: "key", type: "password", name: "key", autocomplete: "current-password", required: true, testid: "key" });
  const why = h("p", { class: "error", role: "alert", testid: "key-error" });
  const form = h("form", { class: "key-card", testid: "key-form" }, h("h2", {}, "Who are you?"), h("label", { for: "key" }, "The key of admin.key"), input, why, h("button", { class: "primary wide", testid: "key-submit" }, "Open"));
  form.hidden = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    server.key = input.value.trim();
    form.hidden = true;
    void run();
  });
  return form;
}

// wrong is set after a key was refused, not when the first try had none.
function askForKey(wrong: boolean): void {
  tab.setItem(keyName, "");
  server.key = "";
  main.hidden = true;
  gate.hidden = false;
  setText(gate.querySelector(".error") as Element, wrong ? "This is not the key." : "");
  say("waiting", "Locked");
  const input = gate.querySelector("input") as HTMLInputElement;
  input.value = "";
  input.focus();
}

function say(kind: "connected" | "waiting" | "offline", words: string): void {
  setAttribute(state, "data-state", kind);
  if (state.childElementCount === 0) {
    state.append(h("span", { class: "dot" }), h("span", {}));
  }
  setText(state.lastElementChild as Element, words);
}

function show(now: Now): void {
  rates.take(now);
  main.hidden = false;
  if (now.draining || now.leaving) {
    say("waiting", now.draining ? "Draining: clients go to other nodes" : "Leaving: still serves");
  } else {
    say("connected", `Runs for ${duration(now.uptimeMs)}`);
  }
  tiles.show(now, rates);
  refused.show(now, rates);
  slow.show(now);
  nodes.show(now);
  spaces.show(now);
  revoked.show(now);
}

function take(event: string, data: unknown): void {
  if (event === "now") {
    show(data as Now);
  } else if (event === "behind") {
    slow.behind(data as Behind[]);
  } else if (event === "lately") {
    const news = data as Lately;
    refused.lately(news);
    slow.lately(news);
    revoked.lately(news);
  }
}

let following: AbortController | undefined;
let paused = false;

// Follows the state until the page is paused or hidden, the key is wrong, or for ever.
async function run(): Promise<void> {
  following?.abort();
  const mine = new AbortController();
  following = mine;
  const key = server.key;
  while (!mine.signal.aborted) {
    try {
      for await (const { event, data } of server.follow("/admin/api/now", mine.signal)) {
        tab.setItem(keyName, key);
        take(event, data);
      }
      say("offline", "The server has ended the connection");
    } catch (err) {
      if (mine.signal.aborted) {
        return;
      }
      if (err instanceof Refused && err.status === 401) {
        askForKey(key !== "");
        return;
      }
      say("offline", err instanceof Refused ? err.message : "The connection is lost");
    }
    await new Promise((resolve) => setTimeout(resolve, again));
  }
}

// Asks whether a key is needed before the first try: one without it would count as a failure of this address.
async function begin(): Promise<void> {
  rates = new Rates();
  const door = server.key === "" ? await server.ask<{ key: boolean }>("/admin/api/door").catch(() => ({ key: false })) : { key: false };
  if (door.key) {
    askForKey(false);
  } else {
    await run();
  }
}

// A page that nobody looks at costs the server nothing.
function follow(): void {
  if (paused || document.hidden) {
    following?.abort();
    if (paused && !main.hidden) {
      say("waiting", "Paused");
    }
  } else if (gate.hidden) {
    void begin();
  }
}

pause.addEventListener("click", () => {
  paused = !paused;
  setAttribute(pause, "aria-pressed", String(paused));
  setText(pause, paused ? "Resume" : "Pause");
  follow();
});
document.addEventListener("visibilitychange", follow);

applyTheme();
(document.getElementById("app") as HTMLElement).replaceChildren(h("div", { class: "admin", testid: "admin" }, top(), gate, main));
follow();
