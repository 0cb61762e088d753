// The pages of the ported examples in Chromium, as people use them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startProcess } from "../js/support/process.mjs";
import { launch, Person } from "./support/browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

async function start(t, name) {
  const example = await startProcess(fileURLToPath(new URL(`../../bin/examples/${name}`, import.meta.url)), ["--addr", "127.0.0.1:0"]);
  t.after(() => example.stop());
  return example;
}

async function open(t, target) {
  const person = await Person.open(browser, target.url);
  t.after(() => person.page.context().close());
  return person.page;
}

const line = (page, text) => page.locator("#messages li", { hasText: text }).waitFor();

test("the chat's page: two people join, type and talk", async (t) => {
  const target = await start(t, "chat");
  const [ada, ben] = [await open(t, target), await open(t, target)];
  for (const [page, name] of [[ada, "Ada"], [ben, "Ben"]]) {
    await page.fill("#name", name);
    await page.click("#join button");
    await page.locator("#say").waitFor();
  }
  await ada.locator("#users", { hasText: "Ada, Ben" }).waitFor();
  await ben.fill("#text", "Hello");
  await ben.click("#say button");
  await line(ada, "Ben: Hello");
  await line(ben, "Ben: Hello");
});

test("the whiteboard's page: a line that one draws is on the other's board", async (t) => {
  const target = await start(t, "whiteboard");
  const [ada, ben] = [await open(t, target), await open(t, target)];
  const drawn = (page) => page.waitForFunction(() => {
    const canvas = document.getElementById("board");
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
  });
  const box = await ada.locator("#board").boundingBox();
  await ada.mouse.move(box.x + 20, box.y + 20);
  await ada.mouse.down();
  await ada.mouse.move(box.x + 120, box.y + 90);
  await ada.mouse.up();
  await Promise.all([ada, ben].map(drawn));
  await drawn(await open(t, target));
});

test("the page of private messages: a message reaches its reader, and a reload keeps the name", async (t) => {
  const target = await start(t, "privatemessages");
  const [ada, ben] = [await open(t, target), await open(t, target)];
  for (const [page, name] of [[ada, "Ada"], [ben, "Ben"]]) {
    await page.fill("#name", name);
    await page.click("#enter button");
    await page.locator("#write").waitFor();
  }
  await ada.selectOption("#to", { label: "Ben" });
  await ada.fill("#text", "Only for you");
  await ada.click("#write button");
  await line(ben, "Ada to Ben: Only for you");
  await ben.reload();
  assert.match(await ben.locator("#state", { hasText: "Ben" }).textContent(), /You are Ben/);
});
