import { createRequire } from "node:module";

/** Version of this package. */
export function ownVersion(): string {
  const read = createRequire(import.meta.url);
  const manifest: unknown = read("../package.json");
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
}
