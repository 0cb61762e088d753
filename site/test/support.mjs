// Compiles a helper, as the site's build does, and imports it.
import { mkdirSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildSync } from "esbuild";

export async function helper(name) {
  const out = fileURLToPath(new URL(`../node_modules/.tmp/${name}.mjs`, import.meta.url));
  mkdirSync(new URL("../node_modules/.tmp/", import.meta.url), { recursive: true });
  const entry = fileURLToPath(new URL(`../helpers/${name}.ts`, import.meta.url));
  buildSync({ entryPoints: [entry], outfile: out, bundle: true, format: "esm", logLevel: "error" });
  return import(pathToFileURL(out).href);
}
