import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GIB, MIB } from "@isthmus/contract";
import type { StoredVolume } from "@isthmus/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createVolumeFolders } from "./volume-folders.ts";

let root: string;
beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), "isthmus-volumes-")), "volumes");
});
afterEach(() => rm(join(root, ".."), { recursive: true, force: true }));

const volume = (name: string, more: Partial<StoredVolume> = {}): StoredVolume => ({
  name,
  sizeBytes: 64 * MIB,
  anonymous: false,
  labels: {},
  createdAt: "2026-01-01T00:00:00.000Z",
  ...more,
});

it("makes an empty file system that is sound, sparse and without lost+found", async () => {
  const folders = createVolumeFolders(root);
  await folders.create(volume("data", { sizeBytes: 20 * GIB }));
  const path = folders.diskPath("data");
  expect((await stat(path)).size).toBe(20 * GIB);
  expect(await folders.usedBytes("data")).toBeLessThan(4 * MIB);
  expect(execFileSync("debugfs", ["-R", "ls -p /", path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })).not.toContain(
    "lost+found",
  );
  expect(execFileSync("e2fsck", ["-f", "-n", path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })).toContain("Pass 5");
});

it("knows its volumes again, changed as they were last, and none that was removed", async () => {
  const folders = createVolumeFolders(root);
  await folders.create(volume("a", { blank: true }));
  await folders.create(volume("b"));
  await folders.update(volume("a", { labels: { x: "y" } }));
  await folders.remove("b");
  await folders.remove("never");
  expect(await createVolumeFolders(root).load()).toEqual([volume("a", { labels: { x: "y" } })]);
  expect(await readdir(root)).toEqual(["a"]);
});

it("knows whose a volume is, and takes none where that cannot be read", async () => {
  const folders = createVolumeFolders(root);
  const all = [volume("a", { tenant: "team" }), volume("of-before")];
  for (const one of [...all, volume("damaged")]) await folders.create(one);
  await writeFile(join(root, "damaged", "volume.json"), JSON.stringify({ ...volume("damaged"), tenant: 1 }));
  await folders.update(volume("a", { tenant: "team", labels: { x: "y" } }));
  const known = await createVolumeFolders(root).load();
  expect(known.map(({ name, tenant }) => [name, tenant])).toEqual([
    ["a", "team"],
    ["of-before", undefined],
  ]);
});

it("clears away what was never finished, and leaves what it cannot read", async () => {
  const folders = createVolumeFolders(root);
  await folders.create(volume("a"));
  await mkdir(join(root, ".half-abc"));
  await writeFile(join(root, ".half-abc", "disk.ext4"), "half");
  await mkdir(join(root, "strange"));
  expect((await folders.load()).map(({ name }) => name)).toEqual(["a"]);
  expect((await readdir(root)).sort()).toEqual(["a", "strange"]);
});

it("leaves nothing of one that cannot be made", async () => {
  const folders = createVolumeFolders(root);
  await expect(folders.create(volume("small", { sizeBytes: 1000 }))).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED" });
  expect(await readdir(root)).toEqual([]);
});
