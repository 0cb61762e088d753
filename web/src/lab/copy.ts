import { h, setText } from "../dom.ts";

const saidFor = 2_000;

// A text with a button that copies it. Where the browser gives no clipboard, the text is selected instead.
export function copyable(label: string, text: string, testid?: string): Node[] {
  const pre = h("pre", { tabindex: "0", "aria-label": label, testid }, h("code", {}, text));
  const button = h("button", { type: "button", class: "link copy", testid: "lab-copy", "aria-label": `Copy: ${label}` }, "Copy");
  button.addEventListener("click", () => void copy());

  async function copy(): Promise<void> {
    const copied = await write(text);
    if (!copied) {
      getSelection()?.selectAllChildren(pre);
    }
    setText(button, copied ? "Copied" : "Selected");
    setTimeout(() => setText(button, "Copy"), saidFor);
  }
  return [h("div", { class: "label" }, h("h4", {}, label), button), pre];
}

function write(text: string): Promise<boolean> {
  return navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  ) ?? Promise.resolve(false);
}
