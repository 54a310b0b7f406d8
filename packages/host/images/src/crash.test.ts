import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leftovers, seed } from "./fixtures.ts";
import { createImageStore, type LocalImageStore } from "./image-store.ts";

const run = promisify(execFile);
const child = fileURLToPath(new URL("./store-child.ts", import.meta.url));
const KILLS = Number(process.env.KILLS ?? (process.env.SOAK === "1" ? 100 : 6));
const SQUEEZES = Number(process.env.SQUEEZES ?? (process.env.SOAK === "1" ? 20 : 6));

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "isthmus-crash-"));
});
afterAll(async () => {
  await rm(base, { recursive: true, force: true });
});

/** Runs the child until `delayMs` after its first line, kills it, and tells which digests it had acknowledged as there. */
async function churnAndKill(folder: string, delayMs: number): Promise<ReadonlySet<string>> {
  const process_ = spawn(process.execPath, [child, "churn", folder], { stdio: ["ignore", "pipe", "inherit"] });
  const present = new Set<string>();
  const closed = new Promise((resolve) => process_.once("close", resolve));
  for await (const line of createInterface({ input: process_.stdout })) {
    const { ready, imported, removing } = JSON.parse(line) as { ready?: boolean; imported?: string; removing?: string };
    if (ready === true) void sleep(delayMs).then(() => process_.kill("SIGKILL"));
    if (imported !== undefined) present.add(imported);
    if (removing !== undefined) present.delete(removing);
  }
  await closed;
  return present;
}

/** Every image there is whole, and no file is there without one. */
async function expectWhole(store: LocalImageStore, folder: string): Promise<readonly string[]> {
  const images = await store.list();
  for (const { digest } of images) await run("unsquashfs", ["-s", (await store.resolve(digest)).rootfsPath]);
  // Each image has its record, its rootfs, its manifest, its config and its layer.
  expect(await leftovers(folder)).toHaveLength(images.length * 5);
  return images.map(({ digest }) => digest);
}

describe("a store whose process is killed", () => {
  it(`keeps what it acknowledged and shows nothing half, ${KILLS} times (SEED=${seed})`, async () => {
    const folder = join(base, "killed");
    let state = seed;
    const acknowledged = new Set<string>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      for (const digest of await churnAndKill(folder, state % 400)) acknowledged.add(digest);
      const there = await expectWhole(await createImageStore({ folder }), folder);
      for (const digest of acknowledged) expect(there).toContain(digest);
    }
  }, 120_000);
});

describe.skipIf(process.getuid?.() !== 0)("a store on a full disk", () => {
  it("says DISK_FULL, leaves nothing and goes on", async () => {
    const script = 'mount -t tmpfs -o size=12m none "$1" && "$2" "$3" fill "$1/images" && cd "$1/images" && find . -type f';
    const { stdout } = await run("unshare", ["--mount", "sh", "-c", script, "sh", base, process.execPath, child]);
    const lines = stdout.trim().split("\n");
    expect(lines.slice(0, 5).map((line) => JSON.parse(line) as unknown)).toEqual([
      { ref: "fits", result: "ok" },
      { ref: "too-large", result: "DISK_FULL" },
      { ref: "too-large-twice", result: "DISK_FULL" },
      { ref: "fits-again", result: "ok" },
      { images: 1 },
    ]);
    expect(lines.slice(5)).toHaveLength(6);
  });

  it(`refuses what does not fit, lists, removes without any room and recovers, ${SQUEEZES} times (SEED=${seed})`, async () => {
    const script = 'mount -t tmpfs -o size=24m none "$1" && "$2" "$3" squeeze "$1/images" "$4" "$5" && cd "$1/images" && find . -type f';
    const args = [base, process.execPath, child, `${(seed % 1_000_000) + 1}`, `${SQUEEZES}`];
    const { stdout } = await run("unshare", ["--mount", "sh", "-c", script, "sh", ...args]);
    const lines = stdout.trim().split("\n");
    const turns = lines.slice(0, SQUEEZES).map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    for (const [turn, told] of turns.entries()) {
      const tags = told.result === "ok" ? [`kept:${turn}`, `squeezed:${turn}`] : [`kept:${turn}`];
      expect(told).toMatchObject({ kept: "ok", after: "ok", left: 1 });
      expect(told.result).toMatch(/^(ok|DISK_FULL)$/);
      expect([...(told.tags as string[])].sort()).toEqual(tags);
      expect([...(told.removed as string[])].sort()).toEqual(tags);
    }
    expect(turns.some(({ result }) => result === "DISK_FULL")).toBe(true);
    expect(lines.slice(SQUEEZES)).toEqual(["./index.json"]);
  }, 300_000);
});
