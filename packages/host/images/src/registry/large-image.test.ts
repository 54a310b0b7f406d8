import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MIB } from "@isthmus/contract";
import { expect, it } from "vitest";
import { isInstalled } from "../fixtures.ts";
import { createImageStore } from "../image-store.ts";
import { debianRegistry } from "./debian-registry.fixture.ts";

const run = promisify(execFile);
const child = fileURLToPath(new URL("./pull-once.ts", import.meta.url));
const programs = ["umoci", "skopeo", "docker-registry", "unsquashfs"];
const equipped = process.getuid?.() === 0 && (await Promise.all(programs.map(isInstalled))).every((there) => there);
/** a gigabyte with SOAK=1 */
const LARGE_MIB = process.env.SOAK ? 1024 : 48;
/** Node.js with the store takes about half of it, whatever the image */
const MEMORY_BYTES = 320 * MIB;

/** Half of it does not compress. */
async function largeFile(path: string): Promise<void> {
  const file = createWriteStream(path);
  for (let written = 0; written < LARGE_MIB; written += 2) {
    file.write(randomBytes(MIB));
    if (!file.write(Buffer.alloc(MIB, written % 251))) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}

async function sum(path: string): Promise<string> {
  return (await run("sha256sum", [path])).stdout.slice(0, 64);
}

it.skipIf(!equipped)(
  `an image of ${LARGE_MIB} MiB takes bounded memory, and one that shares its layer costs only its own`,
  async () => {
    const base = await mkdtemp(join(tmpdir(), "isthmus-large-"));
    await using registry = await debianRegistry(base);
    const layout = join(base, "layout");
    await largeFile(join(base, "large"));
    await writeFile(join(base, "small"), "small");
    await run("umoci", ["init", "--layout", layout]);
    await run("umoci", ["new", "--image", `${layout}:one`]);
    await run("umoci", ["insert", "--image", `${layout}:one`, join(base, "large"), "/large"]);
    await run("umoci", ["insert", "--image", `${layout}:one`, "--tag", "two", join(base, "small"), "/small"]);
    for (const tag of ["one", "two"])
      await run("skopeo", [
        "copy",
        "--dest-tls-verify=false",
        "--preserve-digests",
        `oci:${layout}:${tag}`,
        `docker://${registry.host}/app:${tag}`,
      ]);
    const folder = join(base, "images");
    const pulls = [];
    for (const tag of ["one", "two"]) {
      const { stdout } = await run(process.execPath, [child, folder, `${registry.host}/app:${tag}`]);
      pulls.push(JSON.parse(stdout) as { digest: string; downloadedBytes: number; maxRssBytes: number });
    }
    for (const { maxRssBytes } of pulls) expect(maxRssBytes).toBeLessThan(MEMORY_BYTES);
    expect(pulls[0]?.downloadedBytes).toBeGreaterThan((LARGE_MIB / 2) * MIB);
    expect(pulls[1]?.downloadedBytes).toBeLessThan(MIB);
    const store = await createImageStore({ folder });
    const { rootfsPath } = await store.resolve(`${registry.host}/app:two`);
    await run("unsquashfs", ["-quiet", "-no-progress", "-dest", join(base, "out"), rootfsPath]);
    expect(await sum(join(base, "out/large"))).toBe(await sum(join(base, "large")));
    await rm(base, { recursive: true, force: true });
  },
  600_000,
);
