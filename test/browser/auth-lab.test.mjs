// The page /auth-lab in Chromium, against the running binary: every card, every button, every command.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { startProcess } from "../js/support/process.mjs";
import { binary, startGatehouse } from "../js/support/target.mjs";
import { secret } from "../js/support/token.mjs";
import { launch, patience, Person } from "./support/browser.mjs";

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

// What axe and the eye should see: both widths, both themes.
const views = [
  { width: 1280, height: 800, colorScheme: "light" },
  { width: 1280, height: 800, colorScheme: "dark" },
  { width: 360, height: 740, colorScheme: "light" },
  { width: 360, height: 740, colorScheme: "dark" },
];

const run = promisify(execFile);
let browser;

before(async () => (browser = await launch()));
after(() => browser.close());

const card = (lab, method) => lab.part("lab-card", `[data-method="${method}"]`);

// press clicks one button and gives what the card shows then.
async function press(lab, method, id) {
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

async function pressAll(lab, check = () => {}) {
  for (const [method, tries] of Object.entries(decisions)) {
    for (const [id, want] of Object.entries(tries)) {
      check(await press(lab, method, id), want, `${method} ${id}`);
    }
  }
}

// eavesdrop collects the secrets that pass between the page and the server, in all forms that they take.
function eavesdrop(page) {
  const secrets = new Set();
  const hear = (value) => value && [value, encodeURIComponent(value), base64url(value), base64url(JSON.stringify({ Authorization: value }))].forEach((one) => secrets.add(one));
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
    } else if (/^\/(lab|auth)\//.test(pathname)) {
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

  test("each card leads to the decision that it promises, and says why", async () => {
    const lab = await open();
    const found = await lab.part("lab-card").evaluateAll((cards) =>
      cards.map((one) => [one.dataset.method, [...one.querySelectorAll("[data-testid=lab-try]")].map((button) => button.dataset.try)]));
    assert.deepEqual(
      Object.fromEntries(found.filter(([, tries]) => tries.length > 0)),
      Object.fromEntries(Object.entries(decisions).map(([method, tries]) => [method, Object.keys(tries)])),
    );
    await pressAll(lab, ({ outcome, code, decision, explained, wire }, want, what) => {
      assert.match(decision, new RegExp(code ? `Refused: ${want}` : `The way in was ${want},`), what);
      assert.equal(code ?? "admitted", outcome === "refused" ? want : outcome, what);
      assert.equal(explained, 1, `${what}: no reason`);
      assert.match(wire, /GET \/socket\.io\//, what);
    });
    assert.deepEqual(lab.complaints.filter((text) => !text.includes("400")), []);
  });

  test("no secret is on the page, whatever was pressed", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const { secrets, settled } = eavesdrop(page);
    const lab = new Person(page);
    await page.goto(`${server.url}/auth-lab`);
    let shown = "";
    for (const [method, tries] of Object.entries(decisions)) {
      for (const id of Object.keys(tries)) {
        await press(lab, method, id);
        shown += await page.content();
      }
    }
    await settled();
    assert.ok(secrets.size > 50, `only ${secrets.size} secrets were heard`);
    assert.deepEqual([...secrets].filter((one) => shown.includes(one)).length, 0, "a secret is on the page");
    assert.ok((await lab.part("lab-mask").count()) > 20);
    assert.deepEqual(await context.cookies(), [], "the lab leaves its session cookie behind");
    await context.close();
  });

  test("the page keeps its Content-Security-Policy", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(() => {
      globalThis.violated = [];
      document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => globalThis.violated.push(`${violatedDirective} ${blockedURI}`));
    });
    await page.goto(`${server.url}/auth-lab`);
    await pressAll(new Person(page));
    assert.deepEqual(await page.evaluate(() => globalThis.violated), []);
    await context.close();
  });

  for (const view of views) {
    test(`everybody can use it at ${view.width} px, ${view.colorScheme}`, async () => {
      const lab = await open(view);
      await pressAll(lab);
      assert.deepEqual(await lab.violations(), []);
      assert.equal(await lab.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, "it scrolls sideways");
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

const commands = (lab, method) => card(lab, method).locator("[data-testid=lab-command]").allTextContents();

async function shell(command, cwd) {
  const { stdout } = await run("bash", ["-c", command], { cwd, timeout: patience });
  return stdout;
}

describe("the auth lab over TLS", () => {
  let folder;
  let server;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatehouse-lab-"));
    const plain = await startGatehouse();
    const lab = await Person.open(browser, `${plain.url}/auth-lab`);
    const [make, start] = await commands(lab, "certificate");
    await plain.stop();
    await shell(make, folder);
    const env = Object.fromEntries([...start.matchAll(/(GATEHOUSE_\w+)=(\S+)/g)].map(([, name, value]) => [name, value.includes(".") ? join(folder, value) : value]));
    server = await startGatehouse({ env });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const port = () => new URL(server.url).port;

  async function open(t) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    t.after(() => context.close());
    const lab = new Person(await context.newPage());
    await lab.page.goto(`https://127.0.0.1:${port()}/auth-lab`);
    return lab;
  }

  test("a password is accepted, a wrong one is not", async (t) => {
    const lab = await open(t);
    assert.match((await press(lab, "basic", "connect")).decision, /The way in was basic/);
    assert.equal((await press(lab, "basic", "wrong")).code, "unauthenticated");
  });

  test("the other ways work as well", async (t) => {
    const lab = await open(t);
    for (const method of ["token", "ticket", "cookie", "subprotocol-appsync"]) {
      assert.equal((await press(lab, method, "connect")).outcome, "admitted", method);
    }
  });

  test("the commands connect with a client certificate", async (t) => {
    const lab = await open(t);
    const [, , connect] = await commands(lab, "certificate");
    assert.match(await shell(connect.replaceAll("localhost:3443", `localhost:${port()}`), folder), /40\/lab\/certificate,\{"sid":/);
  });
});

test("a server that serves the pages without dev mode has no lab, and the page says so", async (t) => {
  const server = await startProcess(binary, ["serve", "--addr", "127.0.0.1:0"], { env: { GATEHOUSE_JWT_HMAC_SECRET: secret, GATEHOUSE_PAGES: "true" } });
  t.after(() => server.stop());
  const lab = await Person.open(browser, `${server.url}/auth-lab`);
  await lab.part("lab-off").waitFor();
  assert.equal((await press(lab, "anonymous", "connect")).outcome, "failed");
  assert.equal((await press(lab, "token", "connect")).outcome, "failed");
});
