import { execFile } from "node:child_process";
import { linkSync, rmSync } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { IsthmusError } from "@isthmus/contract";
import { BASE_COPY_DEADLINE_MS, fileNames } from "../config.ts";
import { memoryPath, statePath } from "../template/files.ts";

/** Throws HOST_COMMAND_FAILED when memory or state of a saved guest is gone. */
export async function requireSaved(folder: string): Promise<void> {
  for (const path of [memoryPath(folder), statePath(folder)]) {
    await access(path).catch((cause: unknown) => {
      throw new IsthmusError("HOST_COMMAND_FAILED", { program: "reading what was saved", reason: `${path} is gone` }, { cause });
    });
  }
}

/** The disk of a snapshot, beside its memory and the state of its devices. */
export function savedDiskPath(folder: string): string {
  return join(folder, "disk.qcow2");
}

function basePath(folder: string): string {
  return join(folder, fileNames.memoryBase);
}

/**
 * The machine's own name for the file that its memory is mapped from: the template or snapshot that it was cloned from may be removed while it runs, and the file is needed
 * again when the machine is saved.
 */
export function keepMemoryBase(folder: string, from: string): void {
  rmSync(basePath(folder), { force: true });
  linkSync(from, basePath(folder));
}

/** A new file, holes and all, of what the machine's memory was mapped from: nothing for one that booted. */
export async function copyMemoryBase(folder: string, to: string): Promise<void> {
  const base = await stat(basePath(folder)).catch(() => undefined);
  if (base === undefined) return;
  try {
    await promisify(execFile)("cp", ["--reflink=auto", "--sparse=auto", "--", basePath(folder), to], { timeout: BASE_COPY_DEADLINE_MS });
  } catch (cause) {
    const words = String(cause);
    if (words.includes("No space left")) throw new IsthmusError("DISK_FULL", { what: "the memory of a machine" }, { cause });
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: "cp", reason: words }, { cause });
  }
}

/** Bytes on disk of what was saved in `folder`. */
export async function savedBytes(folder: string): Promise<number> {
  const sizes = await Promise.all(
    [memoryPath(folder), statePath(folder), savedDiskPath(folder)].map((path) =>
      stat(path).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
