import { readFile, rename, writeFile } from "node:fs/promises";

/** Offset of the first record that is still kept; 0 when nothing was punched out. Kept beside the output file, written before the hole is punched. */
export async function readHead(path: string): Promise<number> {
  const text = await readFile(headPath(path), "utf8").catch(() => "0");
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

export async function writeHead(path: string, offset: number): Promise<void> {
  const half = `${headPath(path)}.half`;
  await writeFile(half, String(offset), { mode: 0o600 });
  await rename(half, headPath(path));
}

function headPath(path: string): string {
  return `${path}.head`;
}
