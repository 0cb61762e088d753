// The official admin interface of Socket.IO, as its package has it, in Chromium against the running binary.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect, event, open, request } from "../js/support/client.mjs";
import { startGatehouse } from "../js/support/target.mjs";
import { mint } from "../js/support/token.mjs";
import { launch, Person } from "./support/browser.mjs";

const ui = join(dirname(createRequire(import.meta.url).resolve("@socket.io/admin-ui/package.json")), "ui/dist");
const password = "correct horse battery staple";
const hash = "$2a$10$MbZlhXW8h.YSyhrJyEqvTOAYbDrnMEwgybROJVEUrqtoZNdMu5EY2";

const config = (more = "") => `files: ${ui}
admin_ui: {enabled: true, username: olga, password_hash: "${hash}"${more}}
echo: {enabled: true}
`;

describe("the admin interface", () => {
  let browser, dir;
  before(async () => {
    browser = await launch();
    dir = await mkdtemp(join(tmpdir(), "admin-ui-"));
  });
  after(async () => {
    await browser?.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function serve(t, text = config()) {
    await writeFile(join(dir, "app.yaml"), text);
    const server = await startGatehouse({ args: ["--config", join(dir, "app.yaml")]});
    t.after(() => server.stop());
    return server;
  }

  // enter opens the interface and signs in, as its user does.
  async function enter(t, server, username, secret) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    t.after(() => context.close());
    await context.route((url) => url.hostname !== "127.0.0.1", (route) => route.abort()); // its fonts are elsewhere
    const olga = await Person.of(context);
    await olga.page.goto(server.url);
    const field = (name) => olga.page.getByLabel(name, { exact: true });
    await field("Server URL").fill(server.url);
    await field("Username").fill(username);
    await field("Password").fill(secret);
    await olga.page.getByRole("button", { name: "Connect" }).click();
    return olga;
  }

  const sees = (person, text) => person.page.getByText(text).first().waitFor();

  async function chooses(person, namespace) {
    await person.page.locator(".v-select", { hasText: "Select namespace" }).click();
    await person.page.locator(".v-menu__content .v-list-item", { hasText: namespace }).click();
  }

  test("shows servers, namespaces, rooms, sockets and events as they come, and does what it is told", async (t) => {
    const server = await serve(t);
    const ada = await connect(t, server, "/chat", "websocket", { user: "ada" });
    const olga = await enter(t, server, "olga", password);
    const at = (path) => olga.page.goto(`${server.url}/#/${path}/`);
    await sees(olga, /^connected$/i);

    await at("sockets");
    await chooses(olga, "/chat");
    await sees(olga, ada.id); // who was there before
    const bob = await connect(t, server, "/chat", "polling", { user: "bob" });
    await sees(olga, bob.id); // and who comes

    await at("events");
    await request(ada, "room:join", { room: "lobby" });
    await request(ada, "message:send", { room: "lobby", text: "Hello" });
    await sees(olga, "message:send");
    await at("rooms");
    await sees(olga, "lobby");
    await at("servers");
    await sees(olga, /^healthy$/i);

    await at("sockets");
    await sees(olga, bob.id);
    if (process.env.SHOTS) await olga.page.screenshot({ path: join(process.env.SHOTS, "admin-ui.png") });
    const gone = event(ada, "disconnect");
    await olga.page.locator("tr", { hasText: ada.id }).locator("button").last().click();
    assert.equal((await gone)[0], "io server disconnect");
    await sees(olga, /^disconnected$/i); // on the page of the socket, where the click has led
    assert.ok(bob.connected);
  });

  test("a wrong password is said, a token with the scope opens it", async (t) => {
    const server = await serve(t);
    const eve = await enter(t, server, "olga", "a wrong password");
    await sees(eve, "Invalid credentials");
    await enter(t, server, "token", mint("oz", { scope: "admin" })).then((oz) => sees(oz, /^connected$/i));
  });

  test("read-only, it offers nothing to do and nothing is done", async (t) => {
    const server = await serve(t, config(", read_only: true"));
    const ada = await connect(t, server, "/chat", "websocket", { user: "ada" });
    const olga = await enter(t, server, "olga", password);
    await sees(olga, /^connected$/i);
    await olga.page.goto(`${server.url}/#/sockets/`);
    await chooses(olga, "/chat");
    await sees(olga, ada.id);
    assert.equal(await olga.page.locator("tr", { hasText: ada.id }).locator("button:not([disabled])").count(), 0);
    const admin = open(server, "/admin", "websocket", { auth: { username: "olga", password } });
    t.after(() => admin.disconnect());
    await event(admin, "config");
    admin.emit("_disconnect", "/chat", false, ada.id);
    await request(ada, "room:join", { room: "lobby" });
    assert.ok(ada.connected);
  });
});
