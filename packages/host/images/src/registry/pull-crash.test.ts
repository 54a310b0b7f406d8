import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { file, leftovers, ociImage, seed, tar } from "../fixtures.ts";
import { createImageStore } from "../image-store.ts";
import { fakeRegistry } from "./fake-registry.fixture.ts";

const run = promisify(execFile);
const child = fileURLToPath(new URL("./pull-child.ts", import.meta.url));
const KILLS = Number(process.env.KILLS ?? 8);

/** Runs the child until `delayMs` after its first line, kills it, and tells which digests it had acknowledged as there. */
async function pullAndKill(folder: string, refs: readonly string[], delayMs: number): Promise<ReadonlySet<string>> {
  const process_ = spawn(process.execPath, [child, folder, ...refs], { stdio: ["ignore", "pipe", "inherit"] });
  const acknowledged = new Set<string>();
  const closed = new Promise((resolve) => process_.once("close", resolve));
  for await (const line of createInterface({ input: process_.stdout })) {
    const { ready, present, removing } = JSON.parse(line) as { ready?: boolean; present?: string; removing?: string };
    if (ready === true) void sleep(delayMs).then(() => process_.kill("SIGKILL"));
    if (present !== undefined) acknowledged.add(present);
    if (removing !== undefined) acknowledged.delete(removing);
  }
  await closed;
  return acknowledged;
}

describe("a store whose process is killed while it pulls", () => {
  it(`keeps what it acknowledged and nothing half, ${KILLS} times (SEED=${seed})`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "isthmus-pull-crash-"));
    await using registry = await fakeRegistry();
    const shared = tar(file("shared", randomBytes(400_000)));
    const images = ["one", "two"].map((name) => ociImage({ layers: [{ blob: shared }, { blob: tar(file(name, randomBytes(300_000))) }] }));
    for (const [index, image] of images.entries()) registry.add(image, `v${index}`);
    const refs = images.map((_, index) => `${registry.host}/app:v${index}`);
    let state = seed;
    for (let kill = 0; kill < KILLS; kill += 1) {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      const acknowledged = await pullAndKill(folder, refs, state % 500);
      const store = await createImageStore({ folder });
      const there = await store.list();
      for (const { digest } of there) await run("unsquashfs", ["-s", (await store.resolve(digest)).rootfsPath]);
      for (const digest of acknowledged) expect(there.map((image) => image.digest)).toContain(digest);
      // Record, rootfs, manifest, config and own layer of each image, and the layer that they share.
      expect(await leftovers(folder)).toHaveLength(there.length * 5 + (there.length > 0 ? 1 : 0));
      for (const { digest } of there) await store.remove(digest, { inUse: () => undefined });
      expect(await leftovers(folder)).toEqual([]);
    }
    await rm(folder, { recursive: true });
  }, 120_000);
});
