// The chat page in Chromium, against the running binary.
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

const serve = (addr = "127.0.0.1:0") =>
  startProcess(binary, ["serve", "--dev", "--addr", addr], { env: { XDG_STATE_HOME: state } });

describe("the chat page", () => {
  let server;
  before(async () => (server = await serve()));
  after(() => server.stop());

  for (const query of ["?transport=polling", "?transport=websocket", ""]) {
    test(`two users talk, one reloads and misses nothing${query && ` with ${query}`}`, async () => {
      const room = `#talk-${query.slice(11) || "upgrade"}`;
      const ada = await Person.open(browser, `${server.url}/${query}${room}`);
      const ben = await Person.open(browser, `${server.url}/${query}${room}`);
      await ada.signIn("Ada");
      await ben.signIn("Ben");
      await ada.say("Hello Ben");
      await ben.sees(["Hello Ben"]);
      await ben.say("Hello <b>Ada</b>");
      const said = ["Hello Ben", "Hello <b>Ada</b>"];
      await ada.sees(said);
      await ada.delivered();
      assert.equal(await ada.part("member").count(), 2);

      await ben.page.reload();
      await ben.connected();
      await ben.sees(said);
      await ada.say("Still there?");
      await ben.sees([...said, "Still there?"]);
      await ada.sees([...said, "Still there?"]);
      assert.deepEqual([...ada.complaints, ...ben.complaints], []);
      await Promise.all([ada, ben].map((person) => person.page.context().close()));
    });
  }

  test("a keyboard is enough to sign in, to send and to change the room", async () => {
    const ada = await Person.open(browser, server.url);
    const keys = ada.page.keyboard;
    await ada.part("signin-name").focus();
    await keys.type("Ada");
    await keys.press("Enter");
    await ada.connected();
    await ada.part("composer-text").focus();
    await keys.type("typed");
    await keys.press("Enter");
    await ada.sees(["typed"]);
    await ada.part("room-create-name").focus();
    await keys.type("keys");
    await keys.press("Enter");
    await ada.page.waitForFunction(() => location.hash === "#keys");
    await ada.sees([]);
    await ada.page.context().close();
  });

  test("a token that the server refuses is explained, without a loop of tries", async () => {
    const ada = await Person.open(browser, server.url);
    await ada.part("signin-token-toggle").click();
    await ada.part("signin-token").fill("this.is.nothing");
    await ada.part("signin-token-submit").click();
    await ada.part("refusal", "[data-code=token_invalid]").waitFor();
    assert.notEqual(await ada.part("refusal-text").textContent(), "");
    await ada.page.context().close();
  });
});

test("the server restarts, both come back, and what was typed meanwhile arrives once and in order", async () => {
  let server = await serve();
  const addr = server.addr;
  const ada = await Person.open(browser, `${server.url}/#restart`);
  const ben = await Person.open(browser, `${server.url}/#restart`);
  await ada.signIn("Ada");
  await ben.signIn("Ben");
  await ada.connected("websocket");
  await ada.say("before");
  await ben.sees(["before"]);

  await server.terminate();
  await ada.part("connection-state", "[data-state=waiting]").waitFor();
  const typed = ["one", "two", "three"];
  for (const text of typed) {
    await ada.say(text);
  }
  server = await serve(addr);
  for (const person of [ada, ben]) {
    await person.part("connection-retry").click().catch(() => {}); // or it has come back by itself already
    await person.connected();
  }
  await ben.sees(["before", ...typed]);
  await ada.sees(["before", ...typed]);
  await ada.delivered();
  assert.deepEqual([...ada.complaints, ...ben.complaints], []);
  await Promise.all([ada, ben].map((person) => person.page.context().close()));
  await server.stop();
});
