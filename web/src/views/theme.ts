import { h, icon, setAttribute } from "../dom.ts";

const choices = ["system", "light", "dark"] as const;
type Choice = (typeof choices)[number];

const key = "gatehouse.theme";

// The theme follows the system until the user chooses one; the choice holds for all tabs.
function chosen(): Choice {
  try {
    const stored = localStorage.getItem(key) as Choice | null;
    return stored && choices.includes(stored) ? stored : "system";
  } catch {
    return "system";
  }
}

export function applyTheme(choice: Choice = chosen()): void {
  setAttribute(document.documentElement, "data-theme", choice === "system" ? undefined : choice);
}

export function themeButton(): HTMLButtonElement {
  const button = h("button", { type: "button", class: "ghost", testid: "theme-toggle" });
  const show = (choice: Choice) => {
    button.replaceChildren(icon(choice));
    setAttribute(button, "aria-label", `Theme: ${choice}. Change it`);
    setAttribute(button, "title", `Theme: ${choice}`);
    setAttribute(button, "data-theme-choice", choice);
  };
  button.addEventListener("click", () => {
    const next = choices[(choices.indexOf(chosen()) + 1) % choices.length] ?? "system";
    try {
      localStorage.setItem(key, next);
    } catch {
      // The choice holds for this page only.
    }
    applyTheme(next);
    show(next);
  });
  show(chosen());
  return button;
}
