// The operators' page, in Chromium on a phone and a desktop, light and dark, against the running binary.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, open, request } from "../js/support/client.mjs";
import { startGatehouse } from "../js/support/target.mjs";
import { expired } from "../js/support/token.mjs";
import { launch, Person } from "./support/browser.mjs";

const key = "a key for tests only, longer than thirty-two bytes";

// adminUrl is where the operators' listener is, as the log says.
function adminUrl(server) {
  for (const line of server.log) {
    const { adminAddr } = JSON.parse(line);
    if (adminAddr) {
      return `http://${adminAddr}`;
    }
  }
  throw new Error(`no operators' listener:\n${server.log.join("\n")}`);
}

describe("the operators' page", () => {
  let browser, server, url;
  before(async () => {
    browser = await launch();
    server = await startGatehouse({ env: { GATEHOUSE_ADMIN_ADDR: "127.0.0.1:0", GATEHOUSE_ADMIN_KEY: key } });
    url = `${adminUrl(server)}/admin`;
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  // press goes from control to control, as who has no mouse, until the one that is wanted has the focus.
  async function press(olga, testid, name = "Enter") {
    for (let i = 0; i < 60; i++) {
      if (await olga.page.evaluate((id) => document.activeElement?.dataset.testid === id, testid)) {
        await olga.page.keyboard.press(name);
        return;
      }
      await olga.page.keyboard.press("Tab");
    }
    assert.fail(`the keyboard does not reach ${testid}`);
  }

  async function refusedClient(t) {
    const socket = open(server, "/chat", "websocket", { auth: { token: expired("eve") } });
    t.after(() => socket.disconnect());
    await new Promise((resolve) => socket.once("connect_error", resolve));
  }

  for (const [name, width, height, colorScheme] of [["phone", 360, 740, "dark"], ["desktop", 1280, 900, "light"]]) {
    test(`by keyboard on a ${name} in ${colorScheme} colours`, async (t) => {
      const user = `ada-${name}-${colorScheme}`;
      const ada = await connect(t, server, "/chat", "websocket", { user });
      await refusedClient(t);
      const olga = await Person.open(browser, url, { width, height, colorScheme });
      t.after(() => olga.page.context().close());

      // The key, wrong at first.
      await olga.part("key-form").waitFor();
      await olga.page.keyboard.type("not the key at all");
      await olga.page.keyboard.press("Enter");
      await olga.part("key-error").getByText("This is not the key.").waitFor();
      assert.deepEqual(await olga.violations(), [], "the key");
      await olga.picture(`operators-key-${name}-${colorScheme}`);
      await olga.page.keyboard.type(key);
      await olga.page.keyboard.press("Enter");
      await olga.part("state", "[data-state=connected]").waitFor();

      // Who was refused, with an example.
      await olga.part("refused-row", "[data-code=token_expired]").waitFor();
      await olga.part("user-subject").focus();
      await olga.page.keyboard.type(user);
      await olga.page.keyboard.press("Enter");
      await olga.part("user-said").getByText(`${user} has 1 socket.`).waitFor();

      // The frames of a socket.
      await press(olga, "socket-watch");
      await olga.part("frames-said").getByText("Secrets are masked").waitFor();
      await request(ada, "room:join", { room: "lobby", password: "hunter22" });
      await request(ada, "message:send", { room: "lobby", text: "Hello" });
      await olga.part("frame", "[data-direction=in]").getByText("message:send").waitFor();
      await olga.part("frame", "[data-direction=out]").getByText("acknowledgement").last().waitFor();
      const shown = await olga.part("frames-list").textContent();
      assert.ok(shown.includes('"password":"•••"') && !shown.includes("hunter22"), shown);
      const overflow = await olga.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `the page is ${overflow} pixels wider than the screen`);
      assert.deepEqual(await olga.violations(), [], "the page");
      await olga.picture(`operators-frames-${name}-${colorScheme}`);
      await olga.page.keyboard.press("Escape");
      await olga.part("frames").waitFor({ state: "hidden" });
      assert.equal(await olga.page.evaluate(() => document.activeElement?.dataset.testid), "socket-watch");

      await olga.page.evaluate(() => scrollTo(0, 0));
      await olga.part("refused-row", "[data-code=token_expired]").locator("summary").focus();
      await olga.page.keyboard.press("Enter");
      await olga.part("refused-row", "[data-code=token_expired]").getByText("from 127.0.0.1").first().waitFor();
      await olga.page.evaluate(() => scrollTo(0, 0));
      await olga.picture(`operators-${name}-${colorScheme}`);
      assert.deepEqual(olga.complaints.filter((text) => !text.includes("401")), []);
    });
  }

  test("a reload keeps the key, and a paused page goes on", async (t) => {
    const olga = await Person.open(browser, url);
    t.after(() => olga.page.context().close());
    await olga.part("key").fill(key);
    await olga.part("key-submit").click();
    await olga.part("state", "[data-state=connected]").waitFor();
    await olga.page.reload();
    await olga.part("state", "[data-state=connected]").waitFor();
    await olga.part("pause").click();
    await olga.part("state").getByText("Paused").waitFor();
    await olga.part("pause").click();
    await olga.part("state", "[data-state=connected]").waitFor();
  });

  test("no other page can use what it uses", async (t) => {
    const eve = await Person.open(browser, server.url);
    t.after(() => eve.page.context().close());
    const outcome = await eve.page.evaluate(async ([there, secret]) => {
      try {
        const answer = await fetch(`${there}/api/now`, { headers: { Authorization: `Bearer ${secret}` } });
        return answer.status;
      } catch (err) {
        return String(err);
      }
    }, [url, key]);
    assert.match(String(outcome), /Failed to fetch/);
    assert.equal((await fetch(`${server.url}/admin`)).status, 404);
    const page = await fetch(url);
    assert.match(page.headers.get("content-security-policy"), /connect-src 'self';/);
  });
});
