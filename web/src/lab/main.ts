import "../style/lab.css";

import { h, icon } from "../dom.ts";
import { applyTheme, themeButton } from "../views/theme.ts";
import { Card } from "./card.ts";
import { labIsThere } from "./credentials.ts";
import { type Group, groups } from "./methods/all.ts";
import { RulesCard } from "./rules.ts";

const app = document.getElementById("app") as HTMLElement;

function top(): HTMLElement {
  return h(
    "header",
    { class: "lab-top" },
    h("a", { class: "brand", href: "/", testid: "to-chat" }, icon("gate"), "Gatehouse"),
    h("a", { class: "back", href: "/" }, "To the chat"),
    themeButton(),
  );
}

function intro(): HTMLElement {
  return h(
    "div",
    { class: "intro" },
    h("h1", {}, "Every way through the gate"),
    h(
      "p",
      { class: "lead" },
      "A browser's WebSocket can set no headers, so there are many ways to say who is connecting, each with a price. Try them against this server: every button opens a real connection, shows what went over the wire, and what the server decided.",
    ),
  );
}

// Shown when the server has no lab: the texts are still worth reading.
function off(): HTMLElement {
  return h(
    "p",
    { class: "off", role: "status", testid: "lab-off", hidden: true },
    icon("alert"),
    h("span", {}, "This server is not in dev mode, so the buttons have nothing to connect to. Start one with ", h("code", {}, "gatehouse serve --dev"), "."),
  );
}

function index(): HTMLElement {
  const links = ({ title, methods }: Group) => [h("p", {}, title), h("ul", {}, ...methods.map(({ id, title }) => h("li", {}, h("a", { href: `#${id}` }, title))))];
  return h("nav", { class: "lab-index", testid: "lab-index", "aria-label": "Ways in" }, ...groups.flatMap(links), h("p", {}, "Behind the gate"), h("ul", {}, h("li", {}, h("a", { href: "#rules" }, "What may I do here"))));
}

function section({ title, methods }: Group): HTMLElement {
  return h("section", {}, h("h2", {}, title), ...methods.map((one) => new Card(one).element));
}

function behind(): HTMLElement {
  return h("section", {}, h("h2", {}, "Behind the gate"), new RulesCard().element);
}

applyTheme();
const notice = off();
app.replaceChildren(h("div", { class: "lab", testid: "lab" }, top(), index(), h("main", {}, intro(), notice, ...groups.map(section), behind())));
document.getElementById(location.hash.slice(1))?.scrollIntoView();
void labIsThere().then((there) => {
  notice.hidden = there;
});
