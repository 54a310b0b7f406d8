import { stat } from "node:fs/promises";
import path from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { MachineHandle } from "@isthmus/sdk";
import type { LocalPath, MachinePath } from "../parse/copy-path.ts";
import { type CopyOptions, resolveInMachine } from "./copy-in.ts";
import { place } from "./placement.ts";
import { unpackTree } from "./unpack.ts";
import type { CopyWatch } from "./watch.ts";

export interface SourceInMachine {
  readonly path: string;
  readonly isFolder: boolean;
}

/** What is to be copied out. Throws PATH_NOT_FOUND. */
export async function sourceInMachine(machine: MachineHandle, from: MachinePath, options: CopyOptions): Promise<SourceInMachine> {
  if (options.followLink || from.folderMeant) {
    const target = await resolveInMachine(machine, from.path);
    if (!target) throw new IsthmusError("PATH_NOT_FOUND", { path: from.path, name: machine.ref });
    return { path: target.path, isFolder: target.stat.type === "directory" };
  }
  const { type } = await machine.statPath(from.path);
  return { path: from.path, isFolder: type === "directory" };
}

/** Copies a file or folder of a machine to the local disk. Throws PATH_NOT_FOUND, LOCAL_FILE, BAD_ARCHIVE, STATE_CONFLICT. */
export async function copyOut(
  machine: MachineHandle,
  from: MachinePath,
  to: LocalPath,
  options: CopyOptions,
  watch: CopyWatch,
): Promise<void> {
  const source = await sourceInMachine(machine, from, options);
  if (from.folderMeant && !source.isFolder)
    throw new IsthmusError("LOCAL_FILE", { path: `${from.machine}:${from.path}`, reason: "it is not a folder" });
  const target = path.resolve(to.path);
  const placement = place(
    // With links followed the copy keeps the name that was asked for.
    { path: from.path, isFolder: source.isFolder, contentOnly: from.contentOnly || source.path === "/" },
    { path: target, found: await kindHere(target), folderMeant: to.folderMeant },
  );
  const folder = await kindHere(placement.folder);
  if (folder !== "folder") throw new IsthmusError("LOCAL_FILE", { path: placement.folder, reason: "there is no such folder" });
  await unpackTree(await machine.getArchive(source.path), {
    folder: placement.folder,
    name: placement.name,
    sourceName: path.posix.basename(source.path),
    keepOwners: options.archive === true,
    onBytes: watch.bytes,
    onSkipped: watch.skipped,
  });
}

async function kindHere(file: string): Promise<"folder" | "other" | undefined> {
  const stats = await stat(file).catch(() => undefined);
  return stats && (stats.isDirectory() ? "folder" : "other");
}
