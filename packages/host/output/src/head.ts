import { readFile, rename, rm, writeFile } from "node:fs/promises";

/**
 * Offset of the first record that is still kept; 0 when nothing was punched out. Kept beside the output file, written before the hole is punched. One
 * beyond the end of the file (`size`) tells of a file that is no more, and counts for nothing.
 */
export async function readHead(path: string, size: number): Promise<number> {
  const text = await readFile(headPath(path), "utf8").catch(() => "0");
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 && value <= size ? value : 0;
}

export async function writeHead(path: string, offset: number): Promise<void> {
  const half = `${headPath(path)}.half`;
  await writeFile(half, String(offset), { mode: 0o600 });
  await rename(half, headPath(path));
}

/** Once the file grows, a head that was beyond its end would look right. */
export async function forgetHead(path: string): Promise<void> {
  await rm(headPath(path), { force: true });
}

export function headPath(path: string): string {
  return `${path}.head`;
}
