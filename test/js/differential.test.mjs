// The same script against Node's server and against Gatehouse: the transcripts are equal but for the intended differences, each of which
// is in differential/differences.json with its reason and in docs/compatibility.md.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { application, lab } from "./differential/client.mjs";
import { Names } from "./differential/normalise.mjs";
import { recoveries } from "./differential/recovery.mjs";
import { conversations, handshakes, polling } from "./differential/wire.mjs";
import { isCluster, startGatehouse, startLab, startReference } from "./support/target.mjs";

const read = (path) => readFile(new URL(path, import.meta.url), "utf8");
const differences = JSON.parse(await read("./differential/differences.json"));
const doc = await read("../../docs/compatibility.md");

// transcript gives what a step makes of a server, or how it failed.
async function transcript(step, target, t) {
  return new Names().normalise(await step(target, t));
}

function suite(name, steps, start, oracle = startReference) {
  describe(name, () => {
    let node, ours;
    before(async () => {
      node = await oracle();
      ours = await start();
    });
    after(() => Promise.all([node?.stop(), ours?.stop()]));

    for (const [step, run] of Object.entries(steps)) {
      const intended = differences.find((d) => d.transcripts[`${name}/${step}`]);
      test(intended ? `${step}: differs, because ${intended.id}` : step, async (t) => {
        const [theirs, mine] = [await transcript(run, node, t), await transcript(run, ours, t)];
        if (!intended) {
          assert.deepEqual(mine, theirs);
          return;
        }
        assert.notDeepEqual(mine, theirs, "nothing differs any more: take it out of differences.json");
        assert.deepEqual({ node: theirs, gatehouse: mine }, intended.transcripts[`${name}/${step}`]);
      });
    }
  });
}

suite("handshakes", handshakes, startGatehouse);
suite("polling", polling, startGatehouse);
suite("conversations", conversations, startGatehouse);
suite("application", application, startGatehouse);
suite("lab", lab, startLab);
// A client comes back to the node that it was on: through the proxy it mostly is another one.
for (const [parser, steps] of isCluster ? [] : Object.entries(recoveries)) {
  const env = { GATEHOUSE_RECOVERY_FOR: "1m", REFERENCE_RECOVERY_MS: "60000", REFERENCE_PARSER: parser };
  suite(`recovery, ${parser}`, steps, () => startLab({ env }), () => startReference({ env }));
}

describe("the list of differences", () => {
  test("names steps that there are", () => {
    const suites = { handshakes, polling, conversations, application, lab, "recovery, json": recoveries.json, "recovery, msgpack": recoveries.msgpack };
    const steps = Object.entries(suites).flatMap(([name, all]) => Object.keys(all).map((step) => `${name}/${step}`));
    const named = differences.flatMap((d) => Object.keys(d.transcripts));
    assert.deepEqual(named.filter((step) => !steps.includes(step)), []);
  });

  for (const { id, reason } of differences) {
    test(`${id} is in docs/compatibility.md, with its reason`, () => {
      assert.ok(doc.includes(`\`${id}\``), `docs/compatibility.md has a row \`${id}\``);
      assert.ok(doc.includes(reason), `docs/compatibility.md says: ${reason}`);
    });
  }
});
