// Draws the panels of a dashboard of Grafana from a Prometheus, for the picture in docs/: where they stand, their titles,
// units, lines and legends. Grafana itself is not among what the tests install.
const colours = ["#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44", "#0aa89e", "#b5a10a", "#8f3bb8", "#6d7680", "#c15c17"];

const units = {
  s: (v) => (v < 0.001 ? `${(v * 1e6).toFixed(0)} µs` : v < 1 ? `${(v * 1000).toFixed(1)} ms` : `${v.toFixed(1)} s`),
  bytes: (v) => (v < 1024 ? `${v.toFixed(0)} B` : v < 1 << 20 ? `${(v / 1024).toFixed(0)} KiB` : `${(v / (1 << 20)).toFixed(1)} MiB`),
  percentunit: (v) => `${(v * 100).toFixed(v < 0.1 ? 2 : 0)} %`,
  ops: (v) => `${v < 10 ? v.toFixed(1) : v.toFixed(0)}/s`,
  short: (v) => `${v < 10 && v % 1 ? v.toFixed(2) : v.toFixed(0)}`,
};

const escape = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

// lines asks for what a panel shows: [{name, values: [[seconds, number]…]}…].
async function lines(ask, { targets = [] }, filled, range) {
  const answers = await Promise.all(targets.map(async ({ expr, legendFormat }) => {
    const { result } = await ask("query_range", { query: filled(expr), ...range });
    return result.map(({ metric, values }) => ({
      name: (legendFormat || Object.values(metric).join(" ")).replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? ""),
      values: values.map(([at, v]) => [at, Number(v)]).filter(([, v]) => Number.isFinite(v)),
    }));
  }));
  return answers.flat().filter(({ values }) => values.length > 0);
}

function panel({ title, gridPos, fieldConfig }, series, { start, end }) {
  const [width, height, left] = [gridPos.w * 50 - 10, 150, 62];
  const highest = Math.max(...series.flatMap(({ values }) => values.map(([, v]) => v)), 0) * 1.1 || 1;
  const unit = units[fieldConfig?.defaults?.unit] ?? units.short;
  const x = (at) => (left + ((at - start) / (end - start)) * (width - left - 14)).toFixed(1);
  const y = (v) => (height - 8 - (v / highest) * (height - 20)).toFixed(1);
  const grid = [0, 0.5, 1].map((part) => `<line x1="${left}" x2="${width - 14}" y1="${y(highest * part)}" y2="${y(highest * part)}"/>
    <text x="${left - 6}" y="${Number(y(highest * part)) + 4}">${unit(highest * part)}</text>`).join("");
  const drawn = series.map(({ values }, i) => `<polyline stroke="${colours[i % colours.length]}" points="${values.map(([at, v]) => `${x(at)},${y(v)}`).join(" ")}"/>`).join("");
  const legend = series.slice(0, 6).map(({ name }, i) => `<span style="color:${colours[i % colours.length]}">━</span> ${escape(name)}`).join(" &ensp; ");
  return `<section style="grid-column:${gridPos.x + 1}/span ${gridPos.w}"><h3>${escape(title)}</h3>
    <svg width="${width}" height="${height}">${grid}${drawn}</svg><p>${legend}${series.length > 6 ? ` and ${series.length - 6} more` : ""}</p></section>`;
}

// draw gives the page. range is {start, end, step} in seconds.
export async function draw(ask, { title, panels }, filled, range) {
  const parts = [];
  for (const one of panels) {
    parts.push(one.type === "row" ? `<h2>${escape(one.title)}</h2>` : panel(one, await lines(ask, one, filled, range), range));
  }
  return `<!doctype html><meta charset="utf-8"><style>
    body { font: 13px system-ui, sans-serif; width: 1200px; margin: 12px; background: #f4f5f5; color: #222 }
    main { display: grid; grid-template-columns: repeat(24, 50px); row-gap: 8px }
    h1 { font-size: 20px; margin: 4px 0 } h2 { grid-column: 1/-1; font-size: 15px; margin: 10px 0 0 } h3 { font-size: 13px; margin: 8px 12px 2px }
    section { background: #fff; border: 1px solid #ddd; border-radius: 3px; margin-right: 8px; overflow: hidden }
    svg line { stroke: #e4e4e4 } svg text { font-size: 11px; fill: #666; text-anchor: end } polyline { fill: none; stroke-width: 1.6 }
    p { margin: 0 12px 8px; font-size: 11px; color: #444 }</style><h1>${escape(title)}</h1><main>${parts.join("")}</main>`;
}
