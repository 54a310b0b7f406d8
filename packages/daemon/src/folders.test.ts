import { execFile } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
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

  it("hold copies of a disk, byte for byte and with its holes, in place of what was there", async () => {
    const folders = createFolders(home, join(home, "run"));
    await folders.create(id);
    const source = join(home, "source");
    const file = openSync(source, "w");
    for (const [index, at] of [0, 4096, 3 * MIB, 40 * MIB + 512, 64 * MIB - 1].entries()) writeSync(file, `part ${index}`, at);
    writeSync(file, Buffer.alloc(3 * MIB, "much"), 0, 3 * MIB, 48 * MIB);
    ftruncateSync(file, 80 * MIB);
    closeSync(file);
    for (let times = 0; times < 2; times += 1) await folders.createDisk(id, 80 * MIB, source);
    const { size, blocks } = statSync(folders.diskPath(id));
    expect(size).toBe(80 * MIB);
    expect(blocks * 512).toBeLessThan(8 * MIB);
    await run("cmp", [source, folders.diskPath(id)]);
    expect(readdirSync(folders.folder(id))).toEqual(["disk.ext4"]);
  });

  it("refuse a packed disk that is cut off", async () => {
    const folders = createFolders(home, join(home, "run"));
    await folders.create(id);
    const source = join(home, "source");
    for (const text of ["", "x".repeat(2000)]) {
      writeFileSync(`${source}.tar`, text);
      await expect(folders.createDisk(id, MIB, source)).rejects.toMatchObject({ code: "HOST_COMMAND_FAILED" });
    }
    expect(readdirSync(folders.folder(id))).toEqual([]);
  });

  it("keep socket paths short enough for a Unix socket", () => {
    const folders = createFolders(home, `/${"long/".repeat(40)}`);
    expect(join(folders.socketFolder(id), "agent.sock").length).toBeLessThan(107);
  });
});
