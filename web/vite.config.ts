import { defineConfig } from "vite";

// Where `npm run dev` finds a running `gatehouse serve --dev`.
const server = process.env["GATEHOUSE_URL"] ?? "http://127.0.0.1:3000";

export default defineConfig({
  build: {
    target: "es2022",
    // The first browsers with light-dark(), which the two themes are made of.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // scripts/clean.mjs empties it: dist/.gitkeep must stay, or `go build` has nothing to embed.
    emptyOutDir: false,
    // The Content-Security-Policy allows no inline script and no data: URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["index.html", "auth-lab.html", "admin.html"] },
  },
  server: {
    proxy: {
      "/socket.io": { target: server, ws: true },
      "/demo": server,
      "/auth/": server,
      "/lab/": server,
      "/admin/": process.env["GATEHOUSE_ADMIN_URL"] ?? "http://127.0.0.1:3001",
    },
  },
});
