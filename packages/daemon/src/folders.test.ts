import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MIB } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFolders } from "./folders.ts";

const run = promisify(execFile);
const id = "0123456789abcdef";
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "isthmus-folders-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("machine folders", () => {
  it("are for their owner only, and never taken over", async () => {
    const folders = createFolders(home, join(home, "run"));
    await folders.create(id);
    expect(statSync(folders.folder(id)).mode & 0o777).toBe(0o700);
    await expect(folders.create(id)).rejects.toThrow();
    expect(await folders.list()).toEqual([id]);
    await folders.remove(id);
    await folders.remove(id);
    expect(await folders.list()).toEqual([]);
  });

  it("refuse what is no id", () => {
    expect(() => createFolders(home, "/run/x").folder("../etc")).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });

  it("hold sparse disks that are sound and empty: the guest makes the folders of its overlay", async () => {
    const folders = createFolders(home, join(home, "run"));
    await folders.create(id);
    const path = await folders.createDisk(id, 64 * MIB);
    const { size, blocks } = statSync(path);
    expect(size).toBe(64 * MIB);
    expect(blocks * 512).toBeLessThan(16 * MIB);
    await run("/sbin/e2fsck", ["-f", "-n", path]);
    const { stdout } = await run("/sbin/debugfs", ["-R", "ls -p /", path]);
    expect(stdout.split("\n").flatMap((line) => line.split("/")[5] ?? [])).toEqual([".", "..", "lost+found"]);
    await folders.removeDisk(id);
    expect(await folders.hasDisk(id)).toBe(false);
  });

  it("keep socket paths short enough for a Unix socket", () => {
    const folders = createFolders(home, `/${"long/".repeat(40)}`);
    expect(join(folders.socketFolder(id), "agent.sock").length).toBeLessThan(107);
  });
});
