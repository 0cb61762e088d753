import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitepress";
import { codeAsItIs, linksToTheRepository } from "./links.ts";
import { groups } from "./pages.ts";
import { writeTexts } from "./texts.ts";

const root = join(import.meta.dirname, "../..");
const docs = join(root, "docs");

// The pages are not below this folder, so the Vue that renders them is not found beside them: it is this folder's.
const vueForPages = {
  name: "vue-for-pages",
  enforce: "pre" as const,
  resolveId(id: string, _importer: string | undefined, { ssr }: { ssr?: boolean }) {
    return ssr && /^vue(\/server-renderer)?$/.test(id) ? { id, external: true } : undefined;
  },
};

export default defineConfig({
  title: "Gatehouse",
  description: "A realtime server that speaks Socket.IO, and asks every socket who it is.",
  lang: "en-GB",
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `data:image/svg+xml;base64,${readFileSync(join(root, "web/public/favicon.svg"), "base64")}` }]],
  base: process.env.BASE ?? "/",
  srcDir: docs,
  outDir: join(root, "site/dist"),
  router: { prefetchLinks: false }, // a page that promises to send nothing sends nothing
  ignoreDeadLinks: [/^https?:\/\/(localhost|127\.0\.0\.1)\b/],
  markdown: { config: (md) => md.use(codeAsItIs).use(linksToTheRepository(root, process.env.REPOSITORY)), languageAlias: { haproxy: "nginx" } },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    sidebar: groups.map(({ text, pages }) => ({ text, items: pages.map(([file, title]) => ({ text: title, link: `/${file}` })) })),
    nav: [
      { text: "JavaScript", link: "/chat.md" },
      { text: "Go", link: "/embedding.md" },
      { text: "Operating", link: "/operating.md" },
    ],
  },
  vite: { plugins: [vueForPages], server: { fs: { allow: [root] } } },
  buildEnd: ({ outDir }) => writeTexts(docs, outDir, groups),
});
