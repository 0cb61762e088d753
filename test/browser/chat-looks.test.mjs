// How the chat page looks on a phone and on a desktop, in Chromium, against the running binary.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startGatehouse } from "../js/support/target.mjs";
import { launch, Person } from "./support/browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

describe("the chat page", () => {
  let server;
  before(async () => (server = await startGatehouse()));
  after(() => server.stop());

  for (const [name, width, height] of [["phone", 360, 740], ["desktop", 1280, 800]]) {
    for (const colorScheme of ["light", "dark"]) {
      test(`it fits a ${name} in ${colorScheme} colours and is accessible`, async () => {
        const ada = await Person.open(browser, `${server.url}/#look-${name}-${colorScheme}`, { width, height, colorScheme });
        assert.deepEqual(await ada.violations(), [], "sign in");
        await ada.picture(`signin-${name}-${colorScheme}`);
        await ada.signIn("Ada");
        await ada.say("A message that is long enough to need more than one line on a small screen, and averylongwordwithoutanyplacetobreakitbecausethathappenstoo");
        await ada.delivered();
        assert.deepEqual(await ada.violations(), [], "chat");
        const overflow = await ada.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels wider than the screen`);
        await ada.picture(`chat-${name}-${colorScheme}`);
        assert.deepEqual(ada.complaints, []);
        await ada.page.context().close();
      });
    }
  }

  for (const [screen, width, height] of [["phone", 360, 740], ["desktop", 1280, 800]]) {
    test(`long names, and those that are written from right to left, have their place on a ${screen}`, async () => {
      const room = `#${screen}-${"a-room-with-a-name-that-does-not-end".padEnd(48, "-again")}`;
      const ada = await Person.open(browser, `${server.url}/${room}`, { width, height });
      const noor = await Person.open(browser, `${server.url}/${room}`);
      const long = await Person.open(browser, `${server.url}/${room}`);
      await ada.signIn("Ada Lovelace");
      await noor.signIn("نور الهدى");
      await long.signIn("Wolfeschlegelsteinhausenbergerdorff der Aeltere");
      assert.ok(await ada.part("composer-text").evaluate((box) => box.clientHeight) < 50, "the name of the room takes more than one line");
      await long.part("composer-text").pressSequentially("hm");
      await ada.part("typing").getByText("is typing").waitFor();
      const fits = ada.part("typing").evaluate((line) => line.lastElementChild.getBoundingClientRect().right <= line.getBoundingClientRect().right);
      assert.ok(await fits, "the sentence is cut");
      if (screen === "phone") {
        await ada.picture(`names-${screen}`);
        await ada.part("members-toggle").click();
      }
      const away = await ada.part("member", "").filter({ hasText: "نور" }).evaluate((item) => {
        const text = document.createRange();
        text.selectNodeContents(item.querySelector("bdi"));
        return text.getBoundingClientRect().left - item.querySelector(".avatar").getBoundingClientRect().right;
      });
      assert.ok(away < 20, `the name is ${away} pixels from its avatar`);
      await ada.settled();
      await ada.picture(`names-members-${screen}`);
      if (screen === "phone") {
        await ada.page.keyboard.press("Escape");
        await ada.part("rooms-toggle").click();
      }
      assert.ok(await ada.part("me-name").evaluate((name) => name.scrollWidth <= name.clientWidth), "one's own name is cut");
      await ada.settled();
      await ada.picture(`names-account-${screen}`);
      await Promise.all([ada, noor, long].map((person) => person.page.context().close()));
    });
  }
});
