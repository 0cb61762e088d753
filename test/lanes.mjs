// Runs targets of the Makefile in lanes: one lane beside the other, within a lane one target after the other. An argument
// is a lane, "test-go,test-bench". The output of a target is kept apart and printed when it ends, with its time. The first
// one that fails ends the run: the others are told to end, with all processes that they started.
import { spawn } from "node:child_process";
import { constants } from "node:os";

const grace = 10_000; // how long a target may take to end before it is killed
const running = new Set();
let code = 0;

// end tells every target's processes to end, once.
function end(why) {
  if (code === 0) {
    code = why;
    for (const child of running) {
      signal(child, "SIGTERM");
      setTimeout(() => signal(child, "SIGKILL"), grace).unref();
    }
  }
}

// signal reaches a target and what it started: each has a process group of its own.
function signal(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch (err) {
    if (err.code !== "ESRCH") {
      throw err;
    }
  }
}

// make runs one target and gives whether the lane may go on.
function make(target) {
  console.log(`== ${target} begins`);
  const begun = Date.now();
  const child = spawn("make", ["--no-print-directory", target], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const output = [];
  child.stdout.on("data", (part) => output.push(part));
  child.stderr.on("data", (part) => output.push(part));
  running.add(child);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => signal(child, "SIGTERM")); // what it left behind would hold its output open
    child.once("close", (status) => {
      running.delete(child);
      const stopped = code !== 0;
      const how = stopped ? "stopped" : status === 0 ? "" : "FAILED";
      process.stdout.write(Buffer.concat(stopped ? [] : output));
      console.log(`== ${target}: ${how} ${Math.round((Date.now() - begun) / 1000)} s`.replace(":  ", ": "));
      if (status !== 0) {
        end(1);
      }
      resolve(code === 0);
    });
  });
}

async function lane(targets) {
  for (const target of targets) {
    if (code !== 0 || !(await make(target))) {
      return;
    }
  }
}

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(name, () => end(128 + constants.signals[name]));
}
const lanes = process.argv.slice(2).map((targets) => targets.split(","));
await Promise.all(lanes.map(lane));
process.exitCode = code;
