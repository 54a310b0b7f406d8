import { open } from "node:fs/promises";
import type { Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";

export type Compression = "none" | "gzip" | "zstd";

const ZSTD_MAGIC = 0xfd2fb528;
/** how many of a file's first bytes tell its compression */
export const MAGIC_BYTES = 4;

/** Told by the first bytes: media types and file names are not believed. */
export function compressionOf(head: Buffer): Compression {
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head.length >= 4) {
    const magic = head.readUInt32LE(0);
    // Skippable frames may come first (zstd format, RFC 8878 section 3.1.2).
    if (magic === ZSTD_MAGIC || magic >>> 4 === 0x184d2a5) return "zstd";
  }
  return "none";
}

export async function compressionOfFile(path: string): Promise<Compression> {
  const handle = await open(path, "r");
  try {
    const head = Buffer.alloc(MAGIC_BYTES);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return compressionOf(head.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

export function decompressor(compression: Exclude<Compression, "none">): Transform {
  const options = { chunkSize: 256 * 1024 };
  return compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
}
