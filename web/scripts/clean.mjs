// Empties dist, all but .gitkeep: package web embeds the directory, and an embed pattern must match a file.
import { readdir, rm } from "node:fs/promises";

const dist = new URL("../dist/", import.meta.url);
for (const name of await readdir(dist)) {
  if (name !== ".gitkeep") {
    await rm(new URL(name, dist), { recursive: true });
  }
}
