import { lstat, stat } from "node:fs/promises";
import path from "node:path";
import { hasCode, IsthmusError } from "@isthmus/contract";
import type { MachineHandle, PathStat } from "@isthmus/sdk";
import type { LocalPath, MachinePath } from "../parse/copy-path.ts";
import { packTree } from "./pack.ts";
import { place } from "./placement.ts";
import type { CopyWatch } from "./watch.ts";

/** symbolic links that one name may lead through, as Linux counts them */
const LINKS_MAX = 40;

export interface CopyOptions {
  readonly archive?: boolean;
  readonly followLink?: boolean;
}

/** What a path in a machine leads to, links followed: its place and its kind, undefined when there is nothing. */
export async function resolveInMachine(
  machine: MachineHandle,
  file: string,
): Promise<{ readonly path: string; readonly stat: PathStat } | undefined> {
  let at = file;
  for (let hops = 0; hops < LINKS_MAX; hops += 1) {
    const found = await machine.statPath(at).catch((error: unknown) => {
      if (hasCode(error, "PATH_NOT_FOUND")) return undefined;
      throw error;
    });
    if (found === undefined) return undefined;
    if (found.type !== "symlink" || found.target === undefined) return { path: at, stat: found };
    at = path.posix.resolve(path.posix.dirname(at), found.target);
  }
  throw new IsthmusError("PATH_NOT_FOUND", { path: file, name: machine.ref }, { cause: "too many symbolic links" });
}

/** Copies a local file or folder into a machine. Throws LOCAL_FILE, PATH_NOT_FOUND, STATE_CONFLICT. */
export async function copyIn(
  machine: MachineHandle,
  from: LocalPath,
  to: MachinePath,
  options: CopyOptions,
  watch: CopyWatch,
): Promise<void> {
  // A trailing slash or dot asks for the folder behind a link, as it does in a shell.
  const followSource = options.followLink === true || from.folderMeant;
  const source = path.resolve(from.path);
  const isFolder = await folderHere(source, followSource);
  if (from.folderMeant && !isFolder) throw new IsthmusError("LOCAL_FILE", { path: from.path, reason: "it is not a folder" });
  const target = await resolveInMachine(machine, to.path);
  const found = target && (target.stat.type === "directory" ? "folder" : "other");
  const placement = place(
    { path: source, isFolder, contentOnly: from.contentOnly },
    { path: target?.path ?? to.path, found, folderMeant: to.folderMeant, label: `${to.machine}:${to.path}` },
  );
  const body = packTree(source, {
    name: placement.name,
    keepOwners: options.archive === true,
    followSource,
    onBytes: watch.bytes,
    onSkipped: watch.skipped,
  });
  await machine.putArchive(placement.folder, body);
}

async function folderHere(file: string, follow: boolean): Promise<boolean> {
  const stats = await (follow ? stat(file) : lstat(file)).catch((cause: Error) => {
    throw new IsthmusError("LOCAL_FILE", { path: file, reason: cause.message }, { cause });
  });
  return stats.isDirectory();
}
