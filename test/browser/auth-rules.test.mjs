// The card "what may I do here" of the auth lab: the rules of a configuration, asked in Chromium.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startGatehouse } from "../js/support/target.mjs";
import { mint } from "../js/support/token.mjs";
import { launch, Person } from "./support/browser.mjs";

const config = `namespaces:
  /app:
    admit: name != ""
    rooms: [{match: "doc:{owner}:{id}", join: 'true', send: owner == sub, events: ["edit:*"]}]
`;

describe("what may I do here", () => {
  let browser, server, dir;
  before(async () => {
    browser = await launch();
    dir = await mkdtemp(join(tmpdir(), "rules-"));
    await writeFile(join(dir, "app.yaml"), config);
    server = await startGatehouse({ args: ["--config", join(dir, "app.yaml")] });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function ask(lab, { room = "", event = "", token = "", namespace = "/app" }) {
    for (const [name, value] of Object.entries({ room, event, token, namespace })) {
      await lab.part(`rules-${name}`).fill(value);
    }
    await lab.part("rules-ask").click();
    const card = lab.part("rules", ":is([data-outcome=allowed], [data-outcome=refused], [data-outcome=failed])");
    await card.waitFor();
    return [await card.getAttribute("data-outcome"), await lab.part("rules-decision").innerText()];
  }

  for (const view of [{ width: 360, height: 740 }, { width: 1280, height: 800 }]) {
    test(`the card answers, ${view.width} px wide`, async () => {
      const lab = await Person.open(browser, `${server.url}/auth-lab#rules`, view);
      await lab.page.waitForFunction(() => document.getElementById("rules-namespace")?.value === "/app");
      for (const [question, outcome, ...texts] of [
        [{}, "allowed", "ada may.", "Allowed by admit"],
        [{ room: "doc:ada:7", event: "edit:title" }, "allowed", "rooms[0].send", "owner == sub"],
        [{ room: "doc:bob:7", event: "edit:title" }, "refused", "ada may not.", "Refused by rooms[0].send", 'owner = "bob"'],
        [{ room: "doc:bob:7", event: "edit:title", token: mint("bob") }, "allowed", "bob may."],
        [{ room: "team:1" }, "refused", "Refused by rooms"],
        [{ token: "no.token.this" }, "failed", "the token lets nobody in"],
        [{ namespace: "/nowhere" }, "failed", "has no namespace /nowhere"],
      ]) {
        const [got, text] = await ask(lab, question);
        assert.equal(got, outcome, text);
        texts.forEach((one) => assert.ok(text.includes(one), `${JSON.stringify(question)} says ${text}`));
      }
      await ask(lab, { room: "doc:bob:7", event: "edit:title" });
      for (const colorScheme of ["light", "dark"]) {
        await lab.page.emulateMedia({ colorScheme });
        assert.deepEqual(await lab.violations(), [], colorScheme);
        assert.equal(await lab.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `it scrolls sideways, ${colorScheme}`);
        if (process.env.SHOTS) {
          await lab.part("rules").screenshot({ path: join(process.env.SHOTS, `rules-${view.width}-${colorScheme}.png`) });
        }
      }
      assert.deepEqual(lab.complaints.filter((text) => !text.includes("400")), []);
      await lab.page.context().close();
    });
  }
});
