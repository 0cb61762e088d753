// make soak-cluster: prints what happened as a table, and the first messages that are not accounted for.
import { parseArgs } from "node:util";
import { soak } from "./soak.mjs";

const number = (text) => ({ type: "string", default: String(text) });
const { values } = parseArgs({
  options: {
    seconds: number(600),
    clients: number(300),
    rooms: number(10),
    processes: number(2),
    rate: number(60), // messages a second
    "kill-every": number(20), // seconds
    "failover-every": number(60), // seconds
    "cut-every": number(100), // milliseconds
    least: number(0.99), // of those who come back are recovered
    keep: { type: "string" }, // a file for all that is known when something is at fault
    plant: { type: "string", multiple: true, default: [] }, // loss, repeat, ghost: the soak must find it
  },
});
const { plant, keep, "kill-every": killEvery, "failover-every": failoverEvery, "cut-every": cutEvery, ...rest } = values;
const numbers = Object.fromEntries(Object.entries({ ...rest, killEvery, failoverEvery, cutEvery }).map(([name, text]) => [name, Number(text)]));
const began = Date.now();
const { rows, faults } = await soak({ ...numbers, plant, keep }, (what) => console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${what}`));
for (const [what, n] of rows) console.log(`  ${what.padEnd(64)} ${String(n).padStart(9)}`);
faults.slice(0, 20).forEach((fault) => console.log(fault));
console.log(faults.length > 0 ? `failed: ${faults.length} faults, the first of them above` : "passed: every message is accounted for");
process.exitCode = faults.length > 0 ? 1 : 0;
