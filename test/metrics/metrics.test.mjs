// The alert rules and the dashboard of deploy/, with a real Prometheus that scrapes the real server.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../js/support/port.mjs";
import { launch } from "../js/support/process.mjs";
import { startGatehouse } from "../js/support/target.mjs";
import { mint } from "../js/support/token.mjs";
import { draw } from "./draw.mjs";

const { io } = createRequire(new URL("../js/package.json", import.meta.url))("socket.io-client");
const run = promisify(execFile);
const deploy = fileURLToPath(new URL("../../deploy/", import.meta.url));
const key = "operators of this test come with this key";

// patience is how long a scrape may take to show: a bound, not a measure.
const patience = 120_000;
const pause = () => new Promise((resolve) => setTimeout(resolve, 200));

test("the alert rules are sound, fire when they should, and stay quiet when all is well", async () => {
  await run("promtool", ["check", "rules", "alerts.yml"], { cwd: join(deploy, "prometheus") });
  await run("promtool", ["test", "rules", "alerts.test.yml"], { cwd: join(deploy, "prometheus") });
});

test("each alert is tested", async () => {
  const rules = await readFile(join(deploy, "prometheus/alerts.yml"), "utf8");
  const tests = await readFile(join(deploy, "prometheus/alerts.test.yml"), "utf8");
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  assert.ok(alerts.length > 5);
  assert.deepEqual(alerts.filter((name) => tests.split(`alertname: ${name}\n`).length !== 3), []);
});

describe("a Prometheus that scrapes a server with clients", () => {
  let dir;
  let server;
  let ask; // of a Prometheus as most have it
  let askNative; // of one that takes native histograms
  const running = [];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "gatehouse-metrics-"));
    server = await startGatehouse({
      env: {
        GATEHOUSE_ADMIN_KEY: key, GATEHOUSE_REDIS_URL: `redis://${process.env.TEST_REDIS_ADDR}`,
        GATEHOUSE_REDIS_PREFIX: "metrics:", GATEHOUSE_CLUSTER_MODE: "streams", GATEHOUSE_CLUSTER_KEY: "metrics",
      },
    });
    await writeFile(join(dir, "prometheus.yml"), `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${join(deploy, "prometheus/alerts.yml")}]
scrape_configs:
  - job_name: gatehouse
    authorization: { credentials: ${key} }
    static_configs: [{ targets: ["${server.addr}"] }]
`);
    ask = await startPrometheus("classic");
    askNative = await startPrometheus("native", "--enable-feature=native-histograms");
    await live(server.url);
    await Promise.all([scraped(ask), scraped(askNative)]);
  });
  after(async () => {
    running.forEach((one) => one.kill());
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  // startPrometheus gives what asks its interface.
  async function startPrometheus(name, ...flags) {
    const port = await freePort();
    const data = `--storage.tsdb.path=${join(dir, name)}`;
    running.push(launch("prometheus", [`--config.file=${join(dir, "prometheus.yml")}`, data, `--web.listen-address=127.0.0.1:${port}`, ...flags], { stdio: "ignore" }));
    return async (path, query = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(query)}`);
      const { status, data: answer, error } = await response.json();
      assert.equal(status, "success", `${query.query}: ${error}`);
      return answer;
    };
  }

  // live has somebody of every kind: one who chats, one who is refused, one who leaves.
  async function live(url) {
    const ada = io(`${url}/chat`, { auth: { token: mint("ada") }, forceNew: true });
    await once(ada, "connect");
    await ada.emitWithAck("room:join", { room: "metrics" });
    await ada.emitWithAck("message:send", { room: "metrics", text: "hello" });
    const eve = io(`${url}/chat`, { auth: { token: "wrong" }, forceNew: true });
    await once(eve, "connect_error");
    eve.disconnect();
    await fetch(`${url}/socket.io/?EIO=4&transport=polling&sid=nobody`);
    await fetch(`${url}/auth/tickets`, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
    ada.disconnect();
    const bea = io(`${url}/chat`, { auth: { token: mint("bea") }, forceNew: true });
    await once(bea, "connect");
    after(() => bea.disconnect());
  }

  // scraped waits until the server was scraped often enough for a rate.
  async function scraped(ask) {
    for (const limit = Date.now() + patience; ; await pause()) {
      assert.ok(Date.now() < limit, "nothing was scraped");
      const { result } = await ask("query", { query: 'count_over_time(gatehouse_sockets_closed_total{job="gatehouse"}[1m])' }).catch(() => ({ result: [] }));
      if (result.some(({ value }) => Number(value[1]) >= 3)) {
        return;
      }
    }
  }

  const dashboard = async () => JSON.parse(await readFile(join(deploy, "grafana/gatehouse.json"), "utf8"));
  const within = (interval) => (expr) => expr.replaceAll("$job", "gatehouse").replaceAll("$instance", ".*").replaceAll("$__rate_interval", interval);

  test("each query of the dashboard has an answer", async () => {
    const { panels } = await dashboard();
    const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
    assert.ok(queries.length > 30);
    const filled = within("1m");
    const empty = [];
    for (const { title, expr } of queries) {
      const { result } = await ask("query", { query: filled(expr) });
      if (result.length === 0) {
        empty.push(`${title}: ${expr}`);
      }
    }
    assert.deepEqual(empty, []);
  });

  test("without data each query is empty and no error, and each panel says why", async () => {
    const { panels } = await dashboard();
    for (const { title, type, targets = [], fieldConfig } of panels.filter(({ type }) => type !== "row")) {
      assert.ok(fieldConfig.defaults.noValue, `${type} ${title}`);
      for (const { expr } of targets) {
        const { result } = await ask("query", { query: within("1m")(expr.replaceAll("$job", "nobody")) });
        assert.deepEqual(result, [], `${title}: ${expr}`);
      }
    }
  });

  test("histograms come in both forms", async () => {
    const handled = async (ask, query) => (await ask("query", { query })).result.reduce((sum, { value }) => sum + Number(value[1]), 0);
    assert.ok(await handled(ask, 'gatehouse_event_duration_seconds_bucket{le="+Inf"}') > 0);
    assert.ok(await handled(askNative, "histogram_count(gatehouse_event_duration_seconds)") > 0);
    assert.equal(await handled(askNative, 'gatehouse_event_duration_seconds_bucket{le="+Inf"}'), 0);
  });

  test("all rules are evaluated, and nothing is wrong with this server", async () => {
    for (const limit = Date.now() + patience; ; await pause()) {
      assert.ok(Date.now() < limit, "the rules were not evaluated");
      const { groups } = await ask("rules");
      const rules = groups.flatMap((group) => group.rules);
      if (rules.length > 5 && rules.every(({ health }) => health !== "unknown")) {
        assert.deepEqual(rules.filter(({ health }) => health !== "ok"), []);
        break;
      }
    }
    const { alerts } = await ask("alerts");
    assert.deepEqual(alerts.filter(({ state }) => state === "firing"), []);
  });

  // SHOTS=folder makes the picture of docs/images: a minute of people who chat, come and go, and are refused.
  test("a picture of the dashboard", { skip: !process.env.SHOTS }, async () => {
    const begun = Date.now();
    while (Date.now() < begun + 60_000) {
      const crowd = 3 + Math.round(2 * Math.sin((Date.now() - begun) / 15_000));
      await Promise.all(Array.from({ length: crowd }, () => live(server.url)));
      await pause();
    }
    const { chromium } = createRequire(new URL("../browser/package.json", import.meta.url))("playwright-core");
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
    const page = await browser.newPage({ viewport: { width: 1224, height: 900 } });
    const end = Math.floor(Date.now() / 1000);
    await page.setContent(await draw(ask, await dashboard(), within("8s"), { start: end - 60, end, step: 1 }));
    await page.screenshot({ path: join(process.env.SHOTS, "dashboard.png"), fullPage: true });
    await browser.close();
  });
});
