import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { IsthmusError, MIB } from "@isthmus/contract";
import { compressionOfFile, decompressor } from "./compression.ts";
import { type ImageLimits, streaming } from "./config.ts";
import { badImage } from "./failures.ts";
import type { Reporter } from "./progress.ts";

const READ_CHUNK = { highWaterMark: 1 * MIB };

export interface Spooled {
  readonly path: string;
  /** sha256:… of the bytes in the file */
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface SpoolOptions {
  readonly report: Reporter;
  readonly signal?: AbortSignal;
}

type Pass = (chunk: Buffer, total: number) => void;

/** Counts, checks and looks at bytes on their way. */
function tap(look: Pass): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    let total = 0;
    for await (const chunk of source) {
      total += chunk.length;
      look(chunk, total);
      yield chunk;
    }
  };
}

/** Writes a stream from outside to a new file and tells its digest. Throws TOO_LARGE over `maxBytes`. */
export async function receive(archive: Readable, path: string, maxBytes: number, options: SpoolOptions): Promise<Spooled> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const look: Pass = (chunk, total) => {
    if (total > maxBytes) throw new IsthmusError("TOO_LARGE", { field: "archive", value: `more than ${maxBytes} bytes`, limit: maxBytes });
    hash.update(chunk);
    sizeBytes = total;
    options.report("receive", total);
  };
  await pipeline(archive, tap(look), createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal: options.signal });
  return { path, digest: `sha256:${hash.digest("hex")}`, sizeBytes };
}

/** Where the uncompressed bytes of a spooled file are: in itself, or in a new file at `plainPath`. */
export interface Plain extends Spooled {
  readonly compressed: boolean;
}

export interface UnpackOptions extends SpoolOptions {
  readonly limits: ImageLimits;
  /** bytes that this image may still unfold to */
  readonly budgetBytes: number;
  /** sees every uncompressed byte once, in order */
  readonly look: (chunk: Buffer) => void;
}

/** Decompresses what needs it, holding quota and ratio. Throws BAD_IMAGE. */
export async function unpack(source: Spooled, plainPath: string, options: UnpackOptions): Promise<Plain> {
  const compression = await compressionOfFile(source.path);
  const { limits, budgetBytes, look, signal } = options;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const pass: Pass = (chunk, total) => {
    if (total > budgetBytes) throw badImage(`it unfolds to more than ${limits.contentBytes} bytes`);
    if (compression !== "none" && total > limits.ratioFreeBytes && total > limits.ratio * source.sizeBytes)
      throw badImage(`it is a compression bomb: more than ${limits.ratio} times its size`);
    if (compression !== "none") hash.update(chunk);
    look(chunk);
    sizeBytes = total;
    options.report("unpack", total);
  };
  const input = createReadStream(source.path, READ_CHUNK);
  if (compression === "none") {
    await pipeline(input, tap(pass), discard, { signal });
    return { ...source, compressed: false };
  }
  const output: Writable = createWriteStream(plainPath, { flags: "wx", mode: 0o600, highWaterMark: streaming.chunkBytes });
  await pipeline(input, decompressor(compression), tap(pass), output, { signal });
  return { path: plainPath, digest: `sha256:${hash.digest("hex")}`, sizeBytes, compressed: true };
}

async function discard(source: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of source);
}

/** Copies one range of a file into a new file. Throws BAD_IMAGE when the file ends before. */
export async function copyRange(from: string, offset: number, sizeBytes: number, path: string, signal?: AbortSignal): Promise<Spooled> {
  const hash = createHash("sha256");
  const output = createWriteStream(path, { flags: "wx", mode: 0o600 });
  const look: Pass = (chunk) => {
    hash.update(chunk);
  };
  // An empty range cannot be written as start and end, which are both inclusive.
  const input = sizeBytes === 0 ? Readable.from([]) : createReadStream(from, { ...READ_CHUNK, start: offset, end: offset + sizeBytes - 1 });
  await pipeline(input, tap(look), output, { signal });
  if ((await stat(path)).size !== sizeBytes) throw badImage("the archive is cut off");
  return { path, digest: `sha256:${hash.digest("hex")}`, sizeBytes };
}
