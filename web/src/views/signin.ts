import { h, icon, setText } from "../dom.ts";
import { type Login, demoLogin } from "../login.ts";
import { themeButton } from "./theme.ts";

export interface SignInOptions {
  name: string; // to begin with
  done: (token: string, name?: string) => void; // the name is given when the demo login made the token
}

const unreachable = "The server cannot be reached. Is it running? Check the connection, then try again.";

// The page before the chat: a name, or a token where the server hands out none.
export function signIn(options: SignInOptions): HTMLElement {
  return h(
    "main",
    { class: "signin", testid: "signin" },
    h("div", { class: "signin-top" }, h("span", { class: "brand" }, icon("gate"), "Gatehouse"), h("a", { class: "ghost", href: "/auth-lab", testid: "to-lab" }, icon("key"), "Auth lab"), themeButton()),
    h("div", { class: "signin-body" }, pitch(), h("div", { class: "gate" }, card(options))),
  );
}

function pitch(): HTMLElement {
  const points = [
    "Your socket.io-client app connects unchanged",
    "Every message acknowledged, in order, once",
    "Offline for a while? What you wrote is sent when you are back",
  ];
  return h(
    "section",
    { class: "pitch" },
    h("h1", {}, "Realtime that asks who is at the gate."),
    h("p", { class: "lead" }, "Gatehouse checks every socket in its first message, and only then opens rooms to it. This chat is a small page on top of it."),
    h("ul", { class: "points" }, ...points.map((text) => h("li", {}, icon("tick"), text))),
    h(
      "pre",
      { class: "code", "aria-label": "How a client connects" },
      h("code", {}, h("span", { class: "code-word" }, "const"), " socket = io(", h("span", { class: "code-text" }, '"/chat"'), ", { auth: { token } });"),
    ),
  );
}

function card(options: SignInOptions): HTMLElement {
  const error = h("div", { class: "error", role: "alert", testid: "signin-error" });
  const tokens = tokenForm(options);
  const toggle = h(
    "button",
    { type: "button", class: "link", "aria-expanded": "false", testid: "signin-token-toggle" },
    "I have a token",
  );
  const showTokens = (shown: boolean) => {
    tokens.hidden = !shown;
    toggle.setAttribute("aria-expanded", String(shown));
  };
  toggle.addEventListener("click", () => {
    showTokens(tokens.hidden === true);
    tokens.querySelector("textarea")?.focus();
  });
  const failed = (login: Login) => {
    error.replaceChildren(...explain(login));
    if (login.kind === "disabled") {
      toggle.hidden = true;
      showTokens(true);
    }
  };
  return h("section", { class: "card" }, h("h2", {}, "Come in"), nameForm(options, failed), error, toggle, tokens);
}

function nameForm({ name, done }: SignInOptions, failed: (login: Login) => void): HTMLElement {
  const input = h("input", {
    id: "signin-name",
    testid: "signin-name",
    autocomplete: "nickname",
    maxlength: 40,
    placeholder: "Ada",
    value: name,
  });
  const submit = h("button", { class: "primary wide", testid: "signin-submit" }, "Enter");
  const form = h("form", { testid: "signin-form", novalidate: true }, h("label", { for: "signin-name" }, "Your name"), input, submit);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void enter();
  });

  async function enter(): Promise<void> {
    const entered = input.value.trim();
    if (!entered) {
      failed({ kind: "refused", message: "Say a name first: the others will see it." });
      input.focus();
      return;
    }
    submit.disabled = true;
    setText(submit, "One moment…");
    const login = await demoLogin(entered);
    submit.disabled = false;
    setText(submit, "Enter");
    if (login.kind === "token") {
      done(login.token, entered);
    } else {
      failed(login);
    }
  }
  return form;
}

function tokenForm({ done }: SignInOptions): HTMLElement {
  const input = h("textarea", {
    id: "signin-token",
    testid: "signin-token",
    rows: "3",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "none",
  });
  const form = h(
    "form",
    { class: "token-form", testid: "signin-token-form", novalidate: true, hidden: true },
    h("label", { for: "signin-token" }, "Token"),
    input,
    h("p", { class: "soft" }, "Make one with ", h("code", {}, "gatehouse token --sub ada"), ". It stays in this tab."),
    h("button", { class: "quiet wide", testid: "signin-token-submit" }, "Enter with this token"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = input.value.trim();
    if (token) {
      done(token);
    } else {
      input.focus();
    }
  });
  return form;
}

function explain(login: Login): (Node | string)[] {
  switch (login.kind) {
    case "disabled":
      return [
        h("p", {}, "This server lets nobody in by name alone. That is right for a real one."),
        h("p", {}, "To try the demo, start it with ", h("code", {}, "gatehouse serve --dev"), ". Or paste a token that this server accepts:"),
      ];
    case "unreachable":
      return [h("p", {}, unreachable)];
    case "busy":
    case "refused":
      return [h("p", {}, login.message.charAt(0).toUpperCase() + login.message.slice(1))];
    default:
      return [];
  }
}
