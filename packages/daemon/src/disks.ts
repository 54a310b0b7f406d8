import { execFile } from "node:child_process";
import { constants, copyFile, mkdir, mkdtemp, open, rename, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { IsthmusError } from "@isthmus/contract";

const run = promisify(execFile);
const MKFS_DEADLINE_MS = 60_000;
const COPY_DEADLINE_MS = 60_000;

/**
 * A sparse ext4 disk at `target` for the writable layer. mkfs runs once per size; its empty result is kept in `cache` and copied, holes and all. The guest
 * makes the folders of its overlay: the root of a machine has owner and mode of the upper one, which must be neither this daemon's user nor its umask's.
 * Appears whole or not at all. Throws HOST_COMMAND_FAILED, ENGINE_MISSING.
 */
export async function makeDisk(cache: string, target: string, sizeBytes: number): Promise<void> {
  const template = join(cache, `empty-${sizeBytes}.ext4`);
  if (!(await exists(template))) await makeTemplate(cache, template, sizeBytes);
  const half = `${target}.half`;
  await rm(half, { force: true });
  try {
    await copySparse(template, half);
    await rename(half, target);
  } catch (error) {
    await rm(half, { force: true });
    throw error;
  }
}

async function makeTemplate(cache: string, template: string, sizeBytes: number): Promise<void> {
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
    await program("mkfs.ext4", ["-q", "-F", ...features, image], MKFS_DEADLINE_MS);
    await rename(image, template);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function copySparse(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch {
    await rm(to, { force: true });
    await program("cp", ["--sparse=always", "--", from, to], COPY_DEADLINE_MS);
  }
}

async function program(name: string, args: readonly string[], timeout: number): Promise<void> {
  try {
    await run(name, args, { timeout, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" } });
  } catch (cause) {
    const { code, stderr } = { code: undefined, stderr: "", ...(cause instanceof Error ? cause : {}) };
    if (code === "ENOENT") throw new IsthmusError("ENGINE_MISSING", { program: name, package: "e2fsprogs coreutils" }, { cause });
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
