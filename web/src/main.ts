import "./style/index.css";

import { storage } from "./keep.ts";
import { Session } from "./session.ts";
import { Screen } from "./views/screen.ts";
import { signIn } from "./views/signin.ts";
import { applyTheme } from "./views/theme.ts";

const nameKey = "gatehouse.name";

const tab = storage("sessionStorage");
const browser = storage("localStorage");
const places = { tab, browser };
const app = document.getElementById("app") as HTMLElement;

// ?transport=polling or ?transport=websocket holds the client to one of them.
function transports(): string[] | undefined {
  const wanted = new URLSearchParams(location.search).get("transport");
  return wanted === "polling" || wanted === "websocket" ? [wanted] : undefined;
}

function showSignIn(): void {
  document.title = "Gatehouse";
  app.replaceChildren(
    signIn({
      name: browser.getItem(nameKey) ?? "",
      done: (token, name) => {
        if (name !== undefined) {
          browser.setItem(nameKey, name);
        }
        showChat(Session.begin(places, name === undefined ? { token } : { token, name }));
      },
    }),
  );
  app.querySelector("input")?.focus();
}

function showChat(session: Session): void {
  const wanted = transports();
  const screen = new Screen({
    session,
    storage: tab,
    signedOut: () => {
      Session.forget(places);
      showSignIn();
    },
    ...(wanted ? { transports: wanted } : {}),
  });
  app.replaceChildren(screen.element);
  screen.start();
}

applyTheme();
const session = Session.restore(places);
if (session) {
  showChat(session);
} else {
  showSignIn();
}
