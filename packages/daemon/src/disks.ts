import { execFile } from "node:child_process";
import { mkdir, mkdtemp, open, rename, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { IsthmusError } from "@isthmus/contract";
import { packDisk, unpackDisk } from "./packed-disk.ts";

const run = promisify(execFile);
const DEADLINE_MS = 60_000;

/**
 * A sparse ext4 disk for the writable layer, with nothing in it. Made once per size and kept in `cache`, to be copied. The guest makes the folders of its overlay: the
 * root of a machine has owner and mode of the upper one, which must be neither this daemon's user nor its umask's. Throws HOST_COMMAND_FAILED, ENGINE_MISSING.
 */
export async function emptyDisk(cache: string, sizeBytes: number): Promise<string> {
  const disk = join(cache, `empty-${sizeBytes}.ext4`);
  if (await exists(disk)) return disk;
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const work = await mkdtemp(join(cache, "making-"));
  try {
    const image = join(work, "disk");
    await (await open(image, "wx", 0o600)).close();
    await truncate(image, sizeBytes);
    const features = [
      "-O",
      "^resize_inode",
      "-J",
      "size=4",
      "-E",
      "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
      "-m",
      "0",
    ];
    await program("mkfs.ext4", ["-q", "-F", ...features, image]);
    await synced(image);
    await rename(image, disk);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return disk;
}

/**
 * A copy of a disk that nobody writes to any more, without its holes. What is in it is packed at the first copy and kept beside it, for no program must be
 * run for the next ones. Appears whole or not at all, in place of what was at `target`. Throws HOST_COMMAND_FAILED, ENGINE_MISSING.
 */
export async function copyDisk(disk: string, target: string): Promise<void> {
  const packed = `${disk}.tar`;
  if (!(await exists(packed))) await makePacked(disk, packed);
  const half = `${target}.half`;
  await rm(half, { force: true });
  try {
    await unpackDisk(packed, half);
    await rename(half, target);
  } catch (error) {
    await rm(half, { force: true });
    throw error;
  }
}

async function makePacked(disk: string, packed: string): Promise<void> {
  const work = await mkdtemp(`${packed}-`);
  try {
    const file = join(work, "packed");
    await packDisk(disk, file, program);
    await synced(file);
    await rename(file, packed);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** After a crash of the host a file that is kept is whole or not there. */
export async function synced(path: string): Promise<void> {
  await using file = await open(path, "r+");
  await file.datasync();
}

export async function program(name: string, args: readonly string[]): Promise<void> {
  try {
    await run(name, args, { timeout: DEADLINE_MS, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" } });
  } catch (cause) {
    const { code, stderr } = { code: undefined, stderr: "", ...(cause instanceof Error ? cause : {}) };
    if (code === "ENOENT") throw new IsthmusError("ENGINE_MISSING", { program: name, package: "e2fsprogs tar" }, { cause });
    const text = String(stderr).trim();
    if (text.includes("No space left")) throw new IsthmusError("DISK_FULL", { what: "a machine's disk" }, { cause });
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: name, reason: text.slice(-300) || String(cause) }, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
