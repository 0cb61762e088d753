// The page /auth-lab in Chromium, of a server with TLS and of one that has no lab.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startProcess } from "../js/support/process.mjs";
import { binary, startGatehouse } from "../js/support/target.mjs";
import { secret } from "../js/support/token.mjs";
import { launch, Person } from "./support/browser.mjs";
import { commands, press, shell } from "./support/lab.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

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
