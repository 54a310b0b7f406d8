import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { fileStamp } from "./stamp.ts";

/** sha256 of files, remembered as long as a file's size, inode and times are the same. */
export class FileDigests {
  readonly #known = new Map<string, { readonly stamp: string; readonly digest: string }>();

  async of(path: string): Promise<string> {
    const stamp = fileStamp(path);
    const known = this.#known.get(path);
    if (known?.stamp === stamp) return known.digest;
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk);
    const digest = hash.digest("hex");
    this.#known.set(path, { stamp, digest });
    return digest;
  }
}

export function digestOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex");
}
