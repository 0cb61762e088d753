// The official admin interface of Socket.IO, as examples/admin-ui makes it of its package, in Chromium against two nodes of
// a cluster: the operator is at one of them, which is the interface's own; the other one is read-only.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../js/support/port.mjs";
import { connect, event, gather, open, request } from "../js/support/client.mjs";
import { startGatehouse } from "../js/support/target.mjs";
import { mint } from "../js/support/token.mjs";
import { launch, Person } from "./support/browser.mjs";

const make = fileURLToPath(new URL("../../examples/admin-ui/build.mjs", import.meta.url));
const password = "correct horse battery staple";
const hash = "$2a$10$MbZlhXW8h.YSyhrJyEqvTOAYbDrnMEwgybROJVEUrqtoZNdMu5EY2";

describe("the admin interface", () => {
  let browser, dir, near, far, olga;
  const elsewhere = []; // requests of the page to anybody but the server
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "admin-ui-"));
    await promisify(execFile)(process.execPath, [make, join(dir, "ui")], { cwd: import.meta.dirname });
    [browser, near, far] = await Promise.all([launch(), serve(false), serve(true)]);
  });
  after(async () => {
    await Promise.all([browser?.close(), near?.stop(), far?.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  async function serve(readOnly) {
    const file = join(dir, `${readOnly}.yaml`);
    await writeFile(file, `files: ${join(dir, "ui")}
admin_ui: {enabled: true, username: olga, password_hash: "${hash}", read_only: ${readOnly}}
sockets: {unknown_events: answer}
redis: {url: "redis://${process.env.TEST_REDIS_ADDR}"}
cluster:
  mode: streams
  addr: 127.0.0.1:${await freePort()}
  secret: the secret of a fleet in a test, long enough
  patience: 60s
`);
    return startGatehouse({ args: ["--config", file] });
  }

  // enter opens the interface and signs in, as its user does.
  async function enter(server, username, secret) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    await context.route((url) => url.hostname !== "127.0.0.1", (route) => {
      elsewhere.push(route.request().url());
      return route.abort();
    });
    const person = await Person.of(context);
    await person.page.goto(server.url);
    const field = (name) => person.page.getByLabel(name, { exact: true });
    await field("Server URL").fill(server.url);
    await field("Username").fill(username);
    await field("Password").fill(secret);
    await person.page.getByRole("button", { name: "Connect" }).click();
    return person;
  }

  const sees = (person, text) => person.page.getByText(text).first().waitFor();
  const row = (person, text) => person.page.locator("tr", { hasText: text });
  const at = (person, server, path) => person.page.goto(`${server.url}/#/${path}/`);

  async function chooses(person, namespace) {
    await person.page.locator(".v-select", { hasText: "Select namespace" }).click();
    await person.page.locator(".v-menu__content .v-list-item", { hasText: namespace }).click();
  }

  test("shows servers, namespaces, rooms, sockets and events of all nodes as they come", async (t) => {
    const ada = await connect(t, near, "/chat", "websocket", { user: "ada" });
    const cleo = await connect(t, far, "/chat", "polling", { user: "cleo" });
    await request(cleo, "room:join", { room: "lobby" });
    olga = await enter(near, "olga", password);
    await sees(olga, /^connected$/i);

    await at(olga, near, "sockets");
    await chooses(olga, "/chat");
    await row(olga, ada.id).getByText("WebSocket").waitFor(); // who was there before
    await row(olga, cleo.id).getByText("HTTP long-polling").waitFor();
    await row(olga, cleo.id).getByText("127.0.0.1").waitFor();
    const bob = await connect(t, far, "/chat", "upgrade", { user: "bob" }); // and who comes
    await row(olga, bob.id).getByText("WebSocket").waitFor();
    await olga.page.locator(".menuable__content__active").waitFor({ state: "hidden" });
    if (process.env.SHOTS) await olga.page.screenshot({ path: join(process.env.SHOTS, "admin-ui.png") });

    await at(olga, near, "events");
    await Promise.all([ada, bob].map((one) => request(one, "room:join", { room: "lobby" })));
    await request(ada, "message:send", { room: "lobby", text: "Hello" });
    await sees(olga, "message:send");
    await at(olga, near, "rooms");
    await row(olga, "lobby").locator("td:nth-child(3)", { hasText: /^\s*3\s*$/ }).waitFor();
    await at(olga, near, "servers");
    await olga.page.waitForFunction(() => [...document.querySelectorAll("tr")].filter((one) => /healthy/i.test(one.textContent)).length === 2);
  });

  test("makes a socket of either node join, leave and go; emits", async (t) => {
    const admin = open(near, "/admin", "websocket", { auth: { username: "olga", password } }); // the page has no button to emit
    t.after(() => admin.disconnect());
    await event(admin, "config");
    for (const server of [near, far]) {
      const ada = await connect(t, server, "/chat", "websocket", { user: "ada" });
      const heard = gather(ada, "shout", 2);
      await at(olga, near, "sockets");
      await row(olga, ada.id).locator("td").first().click();
      const room = olga.page.getByRole("textbox", { name: "Join a room" });
      await room.fill("desk");
      await room.blur(); // as the click on the button beside it does, which then takes the text
      await olga.page.locator("form", { has: room }).locator("button[type=submit]").click();
      await row(olga, "desk").waitFor();
      admin.emit("emit", "/chat", "desk", "shout", "to the desk");
      await row(olga, "desk").locator("button").first().click();
      await sees(olga, /^deleted$/i); // on the page of the room, where the click has led
      admin.emit("emit", "/chat", "desk", "shout", "to nobody");
      admin.emit("emit", "/chat", ada.id, "shout", "to ada");
      assert.deepEqual(await heard, ["to the desk", "to ada"]);

      await at(olga, near, "sockets");
      const gone = event(ada, "disconnect");
      await row(olga, ada.id).locator("button").last().click();
      assert.equal((await gone)[0], "io server disconnect");
      await sees(olga, /^disconnected$/i); // on the page of the socket, where the click has led
    }
  });

  test("read-only, offers nothing to do and does nothing", async (t) => {
    const ada = await connect(t, near, "/chat", "websocket", { user: "ada" });
    const oz = await enter(far, "token", mint("oz", { scope: "admin" })); // with a token that has the scope
    await sees(oz, /^connected$/i);
    await at(oz, far, "sockets");
    await chooses(oz, "/chat");
    await row(oz, ada.id).waitFor();
    assert.equal(await row(oz, ada.id).locator("button:not([disabled])").count(), 0);
    const admin = open(far, "/admin", "websocket", { auth: { token: mint("oz", { scope: "admin" }) } }); // the page lets one type a room
    t.after(() => admin.disconnect());
    await event(admin, "config");
    for (const command of [["emit", "/chat", ada.id, "shout"], ["join", "/chat", "desk"], ["leave", "/chat", "lobby"], ["_disconnect", "/chat", false]]) {
      assert.equal((await request(admin, ...command)).error.code, "unknown_event", command[0]);
    }
  });

  test("has its icons beside it, and asks nobody else for anything", async () => {
    const faces = await olga.page.evaluate(async () => (await document.fonts.load('24px "Material Design Icons"')).map((face) => face.status));
    assert.deepEqual(faces, ["loaded"]);
    assert.deepEqual(elsewhere, []);
  });

  test("says that a password is wrong", async () => {
    const eve = await enter(near, "olga", "a wrong password");
    await sees(eve, "Invalid credentials");
  });
});
