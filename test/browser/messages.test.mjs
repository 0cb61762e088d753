// What becomes of what somebody writes, in Chromium against the running binary: too long, with links, lost.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startProcess } from "../js/support/process.mjs";
import { launch, Person } from "./support/browser.mjs";

const binary = fileURLToPath(new URL("../../bin/gatehouse", import.meta.url));

let browser;
let state;

before(async () => {
  browser = await launch();
  state = await mkdtemp(join(tmpdir(), "gatehouse-browser-"));
});
after(async () => {
  await browser.close();
  await rm(state, { recursive: true, force: true });
});

const serve = (env = {}) => startProcess(binary, ["serve", "--dev", "--addr", "127.0.0.1:0"], { env: { XDG_STATE_HOME: state, ...env } });

describe("what somebody writes", () => {
  let server;
  before(async () => (server = await serve({ GATEHOUSE_CHAT_HISTORY_MESSAGES: "5" })));
  after(() => server.stop());

  const person = async (room, name, look) => {
    const one = await Person.open(browser, `${server.url}/#${room}`, look);
    await one.signIn(name);
    return one;
  };
  const leave = async (...people) => {
    assert.deepEqual(people.flatMap(({ complaints }) => complaints), []);
    await Promise.all(people.map(({ page }) => page.context().close()));
  };

  test("a text that is too long is said so before it is sent, and survives a reload", async () => {
    const ada = await person("long", "Ada");
    const long = "🏰".repeat(4001);
    await ada.part("composer-text").fill(long);
    await ada.part("composer-error").getByText("at most 4,000 characters; this one has 4,001").waitFor();
    assert.ok(await ada.part("composer-send").isDisabled());
    await ada.picture("too-long-desktop-light");
    await ada.part("composer-text").press("Enter");
    await ada.sees([]);
    await ada.page.reload();
    await ada.connected();
    assert.equal(await ada.part("composer-text").inputValue(), long);
    const fits = long.slice(2);
    await ada.say(fits);
    await ada.sees([fits]);
    await ada.delivered();
    await leave(ada);
  });

  test("more than a megabyte that waited for the connection is set aside, in its place and with a word, and the queue goes on", async () => {
    const ada = await person("megabyte", "Ada", { width: 360, height: 740, colorScheme: "dark" });
    await ada.say("before");
    await ada.delivered();
    await ada.page.evaluate(() => {
      const key = Object.keys(sessionStorage).find((name) => name.startsWith("gatehouse.outbox."));
      const waiting = ["words ".repeat(200_000), "after"];
      sessionStorage.setItem(key, JSON.stringify(waiting.map((text, i) => ({ nonce: `n${i}`, room: "megabyte", text, at: Date.now(), state: "queued" }))));
    });
    await ada.page.reload();
    await ada.part("message", "[data-status=failed]").waitFor();
    await ada.part("message", "[data-status=delivered]").getByText("after").waitFor();
    await ada.say("later");
    await ada.page.waitForFunction(() => document.querySelectorAll("[data-testid=message][data-status=delivered]").length === 3);
    assert.deepEqual((await ada.texts()).map((text) => text.slice(0, 6)), ["before", "words ", "after", "later"]);
    assert.match(await ada.part("message-error").last().textContent(), /^$|at most/);
    await ada.part("announcer").getByText("Not sent in megabyte").waitFor({ state: "attached" });
    assert.ok(await ada.part("message-edit").locator("visible=true").isVisible());
    await ada.part("message-discard").locator("visible=true").click();
    await ada.sees(["before", "after", "later"]);
    await leave(ada);
  });

  test("links are links and lead where they say, and nothing else is one", async () => {
    const ada = await person("links", "Ada");
    const text = "see https://example.com/a?b=1, not javascript:alert(1) or https://bank.example@evil.example/";
    await ada.say(text);
    await ada.sees([text]);
    const links = await ada.part("message-text").locator("a").evaluateAll((all) => all.map((a) => [a.href, a.textContent, a.target, a.rel]));
    assert.deepEqual(links, [["https://example.com/a?b=1", "https://example.com/a?b=1", "_blank", "noopener noreferrer nofollow ugc"]]);
    await ada.delivered();
    await ada.picture("links-desktop-light");
    await leave(ada);
  });

  test("a history that was cut says so, every bubble has a name, and a tick claims no more than there is", async () => {
    const ada = await person("cut", "Ada");
    const texts = Array.from({ length: 12 }, (_, i) => `line ${i}`);
    for (const text of texts) {
      await ada.say(text);
    }
    await ada.delivered();
    const titles = await ada.part("message-status").evaluateAll((all) => [...new Set(all.map((one) => one.title))]);
    assert.deepEqual(titles, ["Sent"]);
    const ben = await person("cut", "Ben", { width: 360, height: 740 });
    await ben.sees(texts.slice(-5));
    await ben.part("gap").getByText("There were earlier messages").waitFor();
    const hidden = await ben.part("message-sender").evaluateAll((all) => all.filter((one) => getComputedStyle(one).display === "none" || one.textContent !== "Ada").length);
    assert.equal(hidden, 0);
    const shown = await ada.part("message", "[data-first]").count();
    assert.equal(shown, 2, "a long group says the name again");
    assert.deepEqual(await ben.violations(), []);
    await ben.picture("cut-phone-light");
    await leave(ada, ben);
  });
});
