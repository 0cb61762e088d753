// The page /auth-lab in Chromium, against the running binary: every card, every button, every command.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startGatehouse } from "../js/support/target.mjs";
import { launch, Person } from "./support/browser.mjs";
import { card, commands, press, shell } from "./support/lab.mjs";

// What each button leads to: the way in of who is let in, or the code of the refusal.
const decisions = {
  token: { connect: "token", expired: "token_expired" },
  ticket: { connect: "ticket", twice: "ticket_invalid" },
  "ticket-query": { connect: "ticket", twice: "ticket_invalid" },
  "query-token": { connect: "query_token", off: "unauthenticated" },
  bearer: { connect: "bearer", websocket: "unauthenticated" },
  "subprotocol-kubernetes": { connect: "subprotocol", polling: "unauthenticated" },
  "subprotocol-appsync": { connect: "subprotocol", alone: "handshake" },
  "subprotocol-plain": { connect: "subprotocol", expired: "token_expired" },
  cookie: { connect: "cookie", "no-csrf": "forbidden" },
  basic: { connect: "unauthenticated" },
  anonymous: { connect: "anonymous", closed: "unauthenticated" },
};

// What axe and the eye should see: both widths, each in both themes.
const views = [{ width: 1280, height: 800 }, { width: 360, height: 740 }];

let browser;

before(async () => (browser = await launch()));
after(() => browser.close());

// pressAll clicks every button and gives what the cards show, with the whole page after each.
async function pressAll(lab) {
  const shown = [];
  for (const [method, tries] of Object.entries(decisions)) {
    for (const [id, want] of Object.entries(tries)) {
      shown.push({ ...(await press(lab, method, id)), want, what: `${method} ${id}`, page: await lab.page.content() });
    }
  }
  return shown;
}

// eavesdrop collects the secrets that pass between the page and the server, in all forms that they take.
function eavesdrop(page) {
  const secrets = new Set();
  const hear = (value) => typeof value === "string" && value !== "" && [value, encodeURIComponent(value), base64url(value), base64url(JSON.stringify({ Authorization: value }))].forEach((one) => secrets.add(one));
  const pending = [];
  const session = (text) => hear(/^0\{"sid":"([^"]+)/.exec(text)?.[1]);
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => session(String(payload))));
  const read = async (request) => {
    const { pathname, searchParams } = new URL(request.url());
    const response = await request.response();
    if (pathname === "/socket.io/" && !searchParams.has("sid")) {
      session(await response.text());
    } else if (pathname === "/lab/session") {
      hear(/=([^;]*)/.exec((await response.headerValue("set-cookie")) ?? "")?.[1]);
    } else if (/^\/(lab|auth)\//.test(pathname) && pathname !== "/lab/explain") { // which has rules to tell, and no secret
      Object.entries(await response.json()).forEach(([key, value]) => key !== "expiresAt" && hear(value));
    }
  };
  page.on("requestfinished", (request) => pending.push(read(request)));
  return { secrets, settled: () => Promise.all(pending) };
}

const base64url = (text) => Buffer.from(text).toString("base64url");

describe("the auth lab", () => {
  let server;
  before(async () => (server = await startGatehouse()));
  after(() => server.stop());

  const open = (view) => Person.open(browser, `${server.url}/auth-lab`, view);

  describe("when every button was pressed once", () => {
    let lab;
    let shown;
    let secrets;
    before(async () => {
      const context = await browser.newContext();
      lab = await Person.of(context);
      await lab.page.addInitScript(() => {
        globalThis.violated = [];
        document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => globalThis.violated.push(`${violatedDirective} ${blockedURI}`));
      });
      const heard = eavesdrop(lab.page);
      await lab.page.goto(`${server.url}/auth-lab`);
      shown = await pressAll(lab);
      await heard.settled();
      secrets = heard.secrets;
    });
    after(() => lab?.page.context().close());

    test("each card leads to the decision that it promises, and says why", async () => {
      const found = await lab.part("lab-card").evaluateAll((cards) =>
        cards.map((one) => [one.dataset.method, [...one.querySelectorAll("[data-testid=lab-try]")].map((button) => button.dataset.try)]));
      assert.deepEqual(
        Object.fromEntries(found.filter(([, tries]) => tries.length > 0)),
        Object.fromEntries(Object.entries(decisions).map(([method, tries]) => [method, Object.keys(tries)])),
      );
      for (const { outcome, code, decision, explained, wire, want, what } of shown) {
        assert.match(decision, new RegExp(code ? `Refused: ${want}` : `The way in was ${want},`), what);
        assert.equal(code ?? "admitted", outcome === "refused" ? want : outcome, what);
        assert.equal(explained, 1, `${what}: no reason`);
        assert.match(wire, /GET \/socket.io\//, what);
      }
      assert.deepEqual(lab.complaints.filter((text) => !text.includes("400")), []);
    });

    test("no secret is on the page", async () => {
      const pages = shown.map(({ page }) => page).join("");
      assert.ok(secrets.size > 50, `only ${secrets.size} secrets were heard`);
      assert.deepEqual([...secrets].filter((one) => pages.includes(one)).length, 0, "a secret is on the page");
      assert.ok((await lab.part("lab-mask").count()) > 20);
      assert.deepEqual(await lab.page.context().cookies(), [], "the lab leaves its session cookie behind");
    });

    test("the page keeps its Content-Security-Policy", async () => {
      assert.deepEqual(await lab.page.evaluate(() => globalThis.violated), []);
    });
  });

  for (const view of views) {
    test(`everybody can use it at ${view.width} px`, async () => {
      const lab = await open(view);
      await pressAll(lab);
      for (const colorScheme of ["light", "dark"]) {
        await lab.page.emulateMedia({ colorScheme });
        assert.deepEqual(await lab.violations(), [], colorScheme);
        assert.equal(await lab.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `it scrolls sideways, ${colorScheme}`);
      }
      await lab.page.context().close();
    });
  }

  test("the keyboard is enough, and the focus stays", async () => {
    const lab = await open();
    const button = card(lab, "anonymous").locator("[data-try=connect]");
    await button.focus();
    await lab.page.keyboard.press("Enter");
    await card(lab, "anonymous").and(lab.page.locator("[data-outcome=admitted]")).waitFor();
    assert.ok(await button.evaluate((element) => element === document.activeElement));
    await lab.page.keyboard.press("Tab");
    await lab.page.keyboard.press("Space");
    await card(lab, "anonymous").and(lab.page.locator("[data-outcome=refused]")).waitFor();
  });

  test("the chat leads to the lab and back", async () => {
    const chat = await Person.open(browser, server.url);
    await chat.part("to-lab").click();
    await chat.part("lab").waitFor();
    await chat.part("to-chat").click();
    await chat.signIn("Ada");
    await chat.part("to-lab").click();
    await chat.part("lab").waitFor();
    assert.equal(await chat.part("lab-off").isVisible(), false);
    assert.deepEqual(chat.complaints, []);
  });

  test("a copied command is the command", async () => {
    const lab = await open();
    await lab.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await card(lab, "origin").locator("[data-testid=lab-copy]").last().click();
    const copied = await lab.page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, (await commands(lab, "origin"))[0]);
  });

  test("the commands do what their cards say", async () => {
    const lab = await open();
    const [curl] = await commands(lab, "bearer");
    assert.match(await shell(curl), /40\/lab\/bearer,\{"sid":/);
    const [foreign] = await commands(lab, "origin");
    assert.match(await shell(foreign), / 403$/);
  });
});
