// The site as `make docs` builds it, in Chromium: its pages, and what they send.
import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "../../test/browser/support/browser.mjs";

const dist = new URL("../dist/", import.meta.url).pathname;
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

let server, origin, browser;

before(async () => {
  server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://site").pathname;
    try {
      const text = await readFile(join(dist, path.endsWith("/") ? `${path}index.html` : path));
      response.writeHead(200, { "Content-Type": types[extname(path)] ?? (path.endsWith("/") ? "text/html" : "text/plain") }).end(text);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

async function open(t, path, options) {
  const page = await browser.newPage(options);
  t.after(() => page.close());
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("response", (response) => response.status() >= 400 && errors.push(`${response.status()} ${response.url()}`));
  await page.goto(origin + path, { waitUntil: "networkidle" });
  return { page, errors };
}

test("every page is there as text, too, and llms.txt lists them", async () => {
  const list = await readFile(join(dist, "llms.txt"), "utf8");
  const pages = [...list.matchAll(/\]\(([^)]+)\)/g)].map(([, file]) => file);
  assert.ok(pages.length > 20);
  for (const file of pages) {
    const text = await readFile(join(dist, file), "utf8");
    assert.equal(text, await readFile(new URL(`../../docs/${file}`, import.meta.url), "utf8"));
    assert.match(await readFile(join(dist, file.replace(/md$/, "html")), "utf8"), /<h1/, `${file} is rendered`);
  }
  assert.ok((await stat(join(dist, "llms-full.txt"))).size > 100_000);
});

test("no page is wider than the screen, on a phone and a desktop", async (t) => {
  for (const viewport of Object.values(sizes)) {
    for (const path of ["/", "/chat.html", "/configuration.html", "/helpers/configuration.html"]) {
      const { page, errors } = await open(t, path, { viewport });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${path} at ${viewport.width}`);
      assert.deepEqual(errors, [], path);
      await page.close();
    }
  }
});

test("the search finds a key of the configuration", async (t) => {
  const { page } = await open(t, "/", { viewport: sizes.desktop });
  await page.getByRole("button", { name: "Search" }).click();
  await page.locator("#localsearch-input").fill("cluster.patience");
  await page.locator(".result", { hasText: /./ }).first().waitFor();
});

test("the token that is pasted leaves the page in no request", async (t) => {
  const { page, errors } = await open(t, "/helpers/token.html", { viewport: sizes.phone });
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("websocket", (socket) => requests.push(socket.url()));
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  await page.getByLabel("The token").fill(`${part({ alg: "HS256" })}.${part({ sub: "ada-of-the-test", exp: 4e9, iat: 1 })}.c2ln`);
  await page.getByTestId("decoded").getByText("ada-of-the-test").waitFor();
  await page.getByText(/It expires in/).waitFor();
  await page.waitForLoadState("networkidle");
  assert.deepEqual(requests, []);
  assert.equal(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href).then((kept) => kept.includes("eyJ")), false);
  assert.deepEqual(errors, []);
});

test("choices and pasted options change what the helpers say", async (t) => {
  const { page: builder } = await open(t, "/helpers/configuration.html", { viewport: sizes.phone });
  await builder.getByLabel("several, with Redis").check();
  await builder.getByTestId("configuration").getByText("mode: streams").waitFor();

  const { page: migration } = await open(t, "/helpers/migration.html", { viewport: sizes.phone });
  await migration.getByLabel("The call, or its options").fill(`io({ transports: ["webtransport"] })`);
  await migration.getByTestId("findings").getByText("Gatehouse has no WebTransport").waitFor();
});
