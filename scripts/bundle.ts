/** Bundles daemon, CLI, gateway and publisher into `dist/`, where `./isthmus` finds them (docs/adr/0006). */
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "rolldown";

const ROOT = resolve(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");
/** A daemon that runs may still load parts of the bundle that it was started from. */
const OLD_PARTS_KEPT_MS = 30 * 24 * 3600 * 1000;

// Before the sources are read: one that is changed meanwhile is newer than this.
const began = new Date();
await build({
  cwd: ROOT,
  input: {
    isthmus: "packages/cli/src/main.ts",
    daemon: "packages/daemon/src/main.ts",
    gateway: "packages/host/gateway/src/main.ts",
    publisher: "packages/host/network/src/publisher/main.ts",
  },
  platform: "node",
  logLevel: "warn",
  output: { dir: DIST, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
});
writeFileSync(join(DIST, "package.json"), `${JSON.stringify({ type: "module" })}\n`);
for (const name of readdirSync(DIST)) {
  const path = join(DIST, name);
  if (began.getTime() - statSync(path).mtimeMs > OLD_PARTS_KEPT_MS) rmSync(path);
}
writeFileSync(join(DIST, "built"), "");
utimesSync(join(DIST, "built"), began, began);
