// Makes a folder for the key `files`: the official admin interface of Socket.IO with its icons beside it. Its page takes
// them from elsewhere, and a browser that cannot reach that waits for them before it shows anything. The font of its text
// is left out; the browser's own is there.
//
//   npm install @socket.io/admin-ui@0.5.1 @mdi/font@7.4.47
//   node build.mjs admin-ui
import { cp, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

const folder = process.argv[2];
if (!folder) throw new Error("usage: node build.mjs FOLDER");

const installed = createRequire(resolve("here"));
const packageOf = (name) => dirname(installed.resolve(`${name}/package.json`));
await cp(join(packageOf("@socket.io/admin-ui"), "ui/dist"), folder, { recursive: true });
for (const part of ["css/materialdesignicons.min.css", "fonts/materialdesignicons-webfont.woff2", "LICENSE"]) {
  await cp(join(packageOf("@mdi/font"), part), join(folder, "icons", part));
}

const page = join(folder, "index.html");
const before = await readFile(page, "utf8");
const after = before
  .replace(/<link [^>]*href="https:\/\/[^"]*\/@mdi\/font[^"]*"[^>]*>/, '<link rel="stylesheet" href="icons/css/materialdesignicons.min.css">')
  .replace(/<link [^>]*href="https:\/\/fonts\.[^"]*"[^>]*>/, "");
const left = after.match(/(?:href|src)="(?:https?:)?\/\/[^"]*"/);
if (left || !after.includes("icons/css")) throw new Error(`the page is not as expected: ${left ?? "it links no icons"}`);
await writeFile(page, after);
