// After Vite: copies the bundles of socket.io-client into client, which is in the repository, with their
// version, and puts a .gz and a .br beside every text file that gains by it, so that the server never compresses.
import { copyFile, readFile, readdir, writeFile } from "node:fs/promises";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);
const client = new URL("../client/", import.meta.url);
const source = new URL("../node_modules/socket.io-client/", import.meta.url);

const bundles = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"];

async function copyClient() {
  for (const name of bundles.flatMap((bundle) => [bundle, `${bundle}.map`])) {
    await copyFile(new URL(`dist/${name}`, source), new URL(name, client));
  }
  const { version } = JSON.parse(await readFile(new URL("package.json", source), "utf8"));
  await writeFile(new URL("VERSION", client), version);
}

// Another version of zlib may pack the same text differently: what is packed already stays.
async function isPacked(path, unpack, plain) {
  try {
    return unpack(await readFile(path)).equals(plain);
  } catch {
    return false;
  }
}

const forms = [
  [".gz", (plain) => gzipSync(plain, { level: constants.Z_BEST_COMPRESSION }), gunzipSync],
  [".br", (plain) => brotliCompressSync(plain), brotliDecompressSync],
];

async function compress(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || !/\.(js|css|html|svg|map|webmanifest)$/.test(entry.name)) {
      continue;
    }
    const path = `${entry.parentPath}/${entry.name}`;
    const plain = await readFile(path);
    for (const [extension, pack, unpack] of forms) {
      const packed = pack(plain);
      if (packed.length < plain.length * 0.9 && !(await isPacked(path + extension, unpack, plain))) {
        await writeFile(path + extension, packed);
      }
    }
  }
}

await copyClient();
await compress(client);
await compress(dist);
