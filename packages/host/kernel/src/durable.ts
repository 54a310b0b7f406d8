import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { STALE_AFTER_MS } from "./config.ts";

const TEMPORARY = ".tmp-";
/** What this process is at work on: in a container an earlier process had the same id. */
const own = new Set<string>();

function temporaryPath(parent: string): string {
  const path = join(parent, `${TEMPORARY}${process.pid}-${randomBytes(6).toString("hex")}`);
  own.add(path);
  return path;
}

async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  own.delete(path);
}

/** Writes a file that is there whole or not at all. */
export async function writeWhole(path: string, content: Uint8Array, mode = 0o644): Promise<void> {
  const temporary = temporaryPath(dirname(path));
  try {
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } finally {
    await discard(temporary);
  }
}

/** A private folder under `parent` (made when missing); `await using` removes it with all that is still in it. */
export async function temporaryFolder(parent: string): Promise<{ readonly path: string } & AsyncDisposable> {
  await mkdir(parent, { recursive: true, mode: 0o755 });
  const path = temporaryPath(parent);
  await mkdir(path, { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => discard(path) };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Removes what a killed process left half-made in `folder`. */
export async function sweepTemporary(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((entry) => entry.startsWith(TEMPORARY))) {
    const path = join(folder, name);
    const owner = Number.parseInt(name.slice(TEMPORARY.length), 10);
    const modified = (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
    const used = owner === process.pid ? own.has(path) : alive(owner) && Date.now() - modified <= STALE_AFTER_MS;
    if (!used) await rm(path, { recursive: true, force: true });
  }
}

/** Moves `from` to `to`; false when another was there first. */
export async function moveUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOTEMPTY" || error.code === "EEXIST")) return false;
    throw error;
  }
}

/** Brings all files under `folder` to disk, so that a later rename never shows half of them after a power cut. */
export async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  for (const entry of entries.filter((found) => found.isFile())) {
    const file = await open(join(entry.parentPath, entry.name), "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
