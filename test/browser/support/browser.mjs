// The system's Chromium, and the chat page in it as a person uses it: by what is on the page.
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const out = fileURLToPath(new URL("../out/", import.meta.url));
const axeSource = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

// patience is how long anything on a page may take before the test fails: a bound, not a measure.
export const patience = 30_000;

export async function launch() {
  if (!found) {
    throw new Error("no Chromium on this machine: make test installs it");
  }
  return chromium.launch({
    executablePath: found,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

// Person is one user in a browser context of their own.
export class Person {
  // open shows a page.
  static async open(browser, url, { width = 1280, height = 800, colorScheme = "light" } = {}) {
    const person = await Person.of(await browser.newContext({ viewport: { width, height }, colorScheme }));
    await person.page.goto(url);
    return person;
  }

  // of gives who has a context. What the browser complains about is kept: a page is clean when complaints is empty.
  static async of(context) {
    context.setDefaultTimeout(patience);
    const person = new Person(await context.newPage());
    person.page.on("pageerror", (err) => person.complaints.push(String(err)));
    person.page.on("console", (message) => {
      // While the server is away, the browser reports every try to reach it.
      if (message.type() === "error" && !/net::ERR_|WebSocket connection|503/.test(message.text())) {
        person.complaints.push(message.text());
      }
    });
    return person;
  }

  constructor(page) {
    this.page = page;
    this.complaints = [];
  }

  part(id, rest = "") {
    return this.page.locator(`[data-testid=${id}]${rest}`);
  }

  async signIn(name) {
    await this.part("signin-name").fill(name);
    await this.part("signin-submit").click();
    await this.connected();
  }

  async connected(transport) {
    await this.part("connection-state", `[data-state=connected]${transport ? `[data-transport=${transport}]` : ""}`).waitFor();
    await this.part("composer-text").waitFor();
  }

  async say(text) {
    await this.part("composer-text").fill(text);
    await this.part("composer-send").click();
  }

  // sees waits until the room's messages are exactly these texts.
  async sees(texts) {
    await this.page.waitForFunction(
      (want) => {
        const have = [...document.querySelectorAll("[data-testid=message-text]")].map((element) => element.textContent);
        return JSON.stringify(have) === JSON.stringify(want);
      },
      texts,
      { timeout: patience },
    ).catch(async (err) => {
      throw new Error(`sees ${JSON.stringify(await this.texts())}, not ${JSON.stringify(texts)}`, { cause: err });
    });
  }

  texts() {
    return this.part("message-text").allTextContents();
  }

  // delivered waits until all own messages are.
  async delivered() {
    await this.page.waitForFunction(
      () => [...document.querySelectorAll("[data-testid=message][data-own]")].every((m) => m.dataset.status === "delivered"),
    );
  }

  // settled waits until nothing moves.
  async settled() {
    await this.page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
  }

  async picture(name) {
    await mkdir(out, { recursive: true });
    await this.page.screenshot({ path: `${out}${name}.png` });
  }

  // violations are what axe-core calls serious or critical.
  async violations() {
    // Evaluated, not added as a script: the page's Content-Security-Policy would refuse that, as it should.
    await this.page.evaluate(await readFile(axeSource, "utf8"));
    const { violations } = await this.page.evaluate(async () => {
      // A colour that is still changing is none that anybody has chosen.
      await Promise.allSettled(document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished));
      return globalThis.axe.run();
    });
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  }
}
