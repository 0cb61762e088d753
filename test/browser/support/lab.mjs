// The page /auth-lab as a person uses it: its cards, their buttons and their commands.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { patience } from "./browser.mjs";

const run = promisify(execFile);

export const card = (lab, method) => lab.part("lab-card", `[data-method="${method}"]`);

// press clicks one button and gives what the card shows then.
export async function press(lab, method, id) {
  const one = card(lab, method);
  await one.locator(`[data-testid=lab-try][data-try="${id}"]`).click();
  await one.and(lab.page.locator(`[data-try="${id}"]:is([data-outcome=admitted], [data-outcome=refused], [data-outcome=failed])`)).waitFor();
  return {
    outcome: await one.getAttribute("data-outcome"),
    code: await one.getAttribute("data-code"),
    decision: await one.locator("[data-testid=lab-decision]").innerText(),
    explained: await one.locator("[data-testid=lab-why]").count(),
    wire: await one.locator("[data-testid=lab-wire]").innerText(),
  };
}

export const commands = (lab, method) => card(lab, method).locator("[data-testid=lab-command]").allTextContents();

export async function shell(command, cwd) {
  const { stdout } = await run("bash", ["-c", command], { cwd, timeout: patience });
  return stdout;
}
