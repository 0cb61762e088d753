// How the chat page comes back, in Chromium against the running binary: cut off, put off, in another tab.
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

const serve = () => startProcess(binary, ["serve", "--dev", "--addr", "127.0.0.1:0"], { env: { XDG_STATE_HOME: state } });

// between lets a test answer in place of the server, or end the connection: `heard` gets each message of the page and
// says with true that it goes no further.
const between = (person, heard) =>
  person.page.routeWebSocket(/\/socket\.io\//, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => heard(String(message), socket) || server.send(message));
  });

describe("coming back", () => {
  let server;
  before(async () => (server = await serve()));
  after(() => server.stop());

  const leave = async (...people) => {
    assert.deepEqual(people.flatMap(({ complaints }) => complaints), []);
    await Promise.all(people.map(({ page }) => page.context().close()));
  };

  test("a message that ends the connection twice is set aside, also across a reload, and the queue goes on", async () => {
    const ada = await Person.open(browser, `${server.url}/?transport=websocket#poison`);
    let sent = 0;
    await between(ada, (message, socket) => {
      if (!message.includes("poison pill")) {
        return false;
      }
      sent++;
      void socket.close({ code: 4000 });
      return true;
    });
    await ada.page.reload();
    await ada.signIn("Ada");
    await ada.say("poison pill");
    await ada.part("connection-state", "[data-state=waiting]").waitFor();
    await ada.say("fine");
    await ada.page.reload();
    await ada.part("message", "[data-status=failed]").getByText("ended twice").waitFor();
    await ada.part("message", "[data-status=delivered]").getByText("fine").waitFor();
    assert.equal(sent, 2);
    await ada.picture("set-aside-desktop-light");
    await ada.part("message-discard").locator("visible=true").click();
    await ada.sees(["fine"]);
    await leave(ada);
  });

  test("who is refused for a cause that passes comes in by themselves, without a storm", async () => {
    const ada = await Person.open(browser, `${server.url}/?transport=websocket#passing`);
    let asked = 0;
    const answers = [
      { code: "unavailable", retryAfterMs: 700 },
      { code: "token_invalid", retryAfterMs: 100 }, // not valid yet
      { code: "rate_limited" },
    ];
    await between(ada, (message, socket) => {
      const data = message.startsWith("40/chat,") ? answers[asked++] : undefined;
      if (data) {
        socket.send(`44/chat,${JSON.stringify({ message: "not now", data })}`);
      }
      return data !== undefined;
    });
    await ada.page.reload();
    await ada.part("signin-name").fill("Ada");
    await ada.part("signin-submit").click();
    await ada.part("connection-notice").getByText("cannot let anybody in right now").waitFor();
    await ada.picture("passing-desktop-light");
    await ada.connected();
    assert.equal(asked, answers.length + 1);
    await leave(ada);
  });

  test("a room that is refused for a cause that passes opens by itself", async () => {
    const ada = await Person.open(browser, `${server.url}/?transport=websocket#later`);
    let asked = 0;
    await between(ada, (message, socket) => {
      const id = /^42\/chat,(\d+)\["room:join"/.exec(message)?.[1];
      if (id === undefined || asked++ > 0) {
        return false;
      }
      socket.send(`43/chat,${id}[${JSON.stringify({ ok: false, error: { code: "rate_limited", message: "slower", retryAfterMs: 50 } })}]`);
      return true;
    });
    await ada.page.reload();
    await ada.signIn("Ada");
    await ada.say("in");
    await ada.delivered();
    assert.equal(asked, 2);
    await leave(ada);
  });

  test("a second tab does not ask who one is, and can be somebody else", async () => {
    const ada = await Person.open(browser, `${server.url}/#tabs`);
    await ada.signIn("Ada");
    const second = new Person(await ada.page.context().newPage());
    await second.page.goto(`${server.url}/#tabs`);
    await second.connected();
    assert.equal(await second.part("me-name").textContent(), "Ada");
    assert.equal(await ada.part("member").count(), 1);
    await second.part("sign-out").click();
    await second.signIn("Ben");
    await second.say("hello");
    await ada.sees(["hello"]);
    await ada.page.reload();
    await ada.connected();
    assert.equal(await ada.part("me-name").textContent(), "Ada");
    await leave(ada);
  });
});
