// Every page as text, for programs that read: beside each page its .md, and for all of them llms.txt (what there is, as
// https://llmstxt.org writes it) and llms-full.txt (all of it).
import { readdirSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Group } from "./pages.ts";

const lead = `# Gatehouse

> A realtime server that speaks Socket.IO, written in Go. Unmodified socket.io-client front ends connect to it; it asks
> every socket who it is, in the handshake, and only then lets it into namespaces and rooms.
`;

export async function writeTexts(docs: string, out: string, groups: Group[]): Promise<void> {
  const files = ["index.md", ...groups.flatMap(({ pages }) => pages.map(([file]) => file))];
  const there = readdirSync(docs, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".md"));
  const missing = there.filter((file) => !files.includes(file));
  if (missing.length > 0) {
    throw new Error(`site/.vitepress/pages.ts has no ${missing.join(", ")}`);
  }
  for (const file of files) {
    await mkdir(dirname(join(out, file)), { recursive: true });
    await copyFile(join(docs, file), join(out, file));
  }
  const list = groups.map(({ text, pages }) => `\n## ${text}\n\n${pages.map(([file, title]) => `- [${title}](${file})\n`).join("")}`);
  await writeFile(join(out, "llms.txt"), lead + list.join(""));
  const texts = await Promise.all(files.map(async (file) => `\n<!-- ${file} -->\n\n${await readFile(join(docs, file), "utf8")}`));
  await writeFile(join(out, "llms-full.txt"), lead + texts.join(""));
  await copyFile(join(docs, "asyncapi.yaml"), join(out, "asyncapi.yaml"));
}
