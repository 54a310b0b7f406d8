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

/** Of the files right in `folder`, or of what each folder in it has at `below`; empty when there is none. */
export function folderStamp(folder: string, below = ""): string {
  const names = namesIn(folder).map((name) => [name, fileStamp(join(folder, name, below))].join(" "));
  return names.join("\n");
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
