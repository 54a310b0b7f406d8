import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/*
 * What tells that files are the same as before, without reading them. At once and not by the thread pool, for every start asks: twenty files take a tenth
 * of a millisecond so, and two by threads that must wake on a host whose processors are busy with guests.
 */

/** "none" when there is no such file. */
export function fileStamp(path: string): string {
  const info = statSync(path, { throwIfNoEntry: false, bigint: true });
  return info === undefined ? "none" : `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}:${info.ctimeNs}`;
}

/** Of what each folder in `folder` has at `below`; empty when there is none. */
export function foldersStamp(folder: string, below: string): string {
  return namesIn(folder)
    .map((name) => [name, fileStamp(join(folder, name, below))].join(" "))
    .join("\n");
}

/** Names, sizes and times of the files right in `folder`, which a copy of it has too: what is made from them is named by this. Empty when there is none. */
export function folderKey(folder: string): string {
  const parts = namesIn(folder).map((name) => {
    const info = statSync(join(folder, name), { throwIfNoEntry: false, bigint: true });
    return `${name} ${info?.size} ${info?.mtimeNs}`;
  });
  return parts.join("\n");
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
