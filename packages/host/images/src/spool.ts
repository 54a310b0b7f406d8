import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable, Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { IsthmusError, MIB } from "@isthmus/contract";
import { type Compression, compressionOf, compressionOfFile, decompressor, MAGIC_BYTES } from "./compression.ts";
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

type Pass = (chunk: Buffer, total: number) => Promise<void> | undefined;

/** Counts, checks and looks at bytes on their way: the next piece is taken when `look` is done with this one. */
function tap(look: Pass): Transform {
  let total = 0;
  // No async iteration here: it joins what waits in a stream, and copies of every byte keep the garbage collector busy.
  return new Transform({
    highWaterMark: streaming.waitingBytes,
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      try {
        const looking = look(chunk, total);
        if (looking === undefined) done(null, chunk);
        else looking.then(() => done(null, chunk), done);
      } catch (error) {
        done(IsthmusError.from(error));
      }
    },
  });
}

/** Sees every uncompressed byte once, in order. */
export type Look = (chunk: Buffer) => Promise<void> | undefined;

/** Writes a stream from outside to a new file and tells its digest; `look` sees it on the way. Throws TOO_LARGE over the limit. */
async function receive(
  archive: Readable,
  path: string,
  options: SpoolOptions & { readonly limits: ImageLimits },
  look: Look,
): Promise<Spooled> {
  const limit = options.limits.archiveBytes;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const pass: Pass = (chunk, total) => {
    if (total > limit) throw new IsthmusError("TOO_LARGE", { field: "archive", value: `more than ${limit} bytes`, limit });
    hash.update(chunk);
    sizeBytes = total;
    options.report("receive", total);
    return look(chunk);
  };
  const output = createWriteStream(path, { flags: "wx", mode: 0o600, highWaterMark: streaming.waitingBytes });
  await pipeline(archive, tap(pass), output, { signal: options.signal });
  return { path, digest: `sha256:${hash.digest("hex")}`, sizeBytes };
}

/**
 * Receives a tar, plain or compressed, into `path`. `look` sees a plain one while it comes in; a compressed one is unpacked to `plainPath` afterwards, since
 * whether it is a bomb is told by its whole size. Throws TOO_LARGE, BAD_IMAGE.
 */
export async function receiveTar(
  archive: Readable,
  path: string,
  plainPath: string,
  options: UnpackOptions,
): Promise<{ readonly given: Spooled; readonly plain: Plain }> {
  let head: Buffer = Buffer.alloc(0);
  let compression: Compression | undefined;
  const lookAtPlain: Look = (chunk) => {
    let known = chunk;
    if (compression === undefined) {
      known = head = Buffer.concat([head, chunk]);
      if (head.length < MAGIC_BYTES) return undefined;
      compression = compressionOf(head);
    }
    return compression === "none" ? options.look(known) : undefined;
  };
  const given = await receive(archive, path, options, lookAtPlain);
  if (compression === "gzip" || compression === "zstd") return { given, plain: await unpack(given, plainPath, options) };
  // What is shorter than a magic number is no tar, and is told so.
  if (compression === undefined) await options.look(head);
  if (given.sizeBytes > options.budgetBytes) throw unfoldsTooFar(options.limits);
  return { given, plain: { ...given, compressed: false } };
}

function unfoldsTooFar(limits: ImageLimits): IsthmusError {
  return badImage(`it unfolds to more than ${limits.contentBytes} bytes`);
}

/** Where the uncompressed bytes of a spooled file are: in itself, or in a new file at `plainPath`. */
export interface Plain extends Spooled {
  readonly compressed: boolean;
}

export interface UnpackOptions extends SpoolOptions {
  readonly limits: ImageLimits;
  /** bytes that this image may still unfold to */
  readonly budgetBytes: number;
  readonly look: Look;
}

/** Decompresses what needs it, holding quota and ratio. Throws BAD_IMAGE. */
export async function unpack(source: Spooled, plainPath: string, options: UnpackOptions): Promise<Plain> {
  const compression = await compressionOfFile(source.path);
  const { limits, budgetBytes, look, signal } = options;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const pass: Pass = (chunk, total) => {
    if (total > budgetBytes) throw unfoldsTooFar(limits);
    if (compression !== "none" && total > limits.ratioFreeBytes && total > limits.ratio * source.sizeBytes)
      throw badImage(`it is a compression bomb: more than ${limits.ratio} times its size`);
    if (compression !== "none") hash.update(chunk);
    sizeBytes = total;
    options.report("unpack", total);
    return look(chunk);
  };
  const input = createReadStream(source.path, READ_CHUNK);
  if (compression === "none") {
    await pipeline(input, tap(pass), discard(), { signal });
    return { ...source, compressed: false };
  }
  const output = createWriteStream(plainPath, { flags: "wx", mode: 0o600, highWaterMark: streaming.waitingBytes });
  await pipeline(input, decompressor(compression), tap(pass), output, { signal });
  return { path: plainPath, digest: `sha256:${hash.digest("hex")}`, sizeBytes, compressed: true };
}

function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** Copies one range of a file into a new file. Throws BAD_IMAGE when the file ends before. */
export async function copyRange(from: string, offset: number, sizeBytes: number, path: string, signal?: AbortSignal): Promise<Spooled> {
  const hash = createHash("sha256");
  const output = createWriteStream(path, { flags: "wx", mode: 0o600 });
  const look: Pass = (chunk) => {
    hash.update(chunk);
    return undefined;
  };
  // An empty range cannot be written as start and end, which are both inclusive.
  const input = sizeBytes === 0 ? Readable.from([]) : createReadStream(from, { ...READ_CHUNK, start: offset, end: offset + sizeBytes - 1 });
  await pipeline(input, tap(look), output, { signal });
  if ((await stat(path)).size !== sizeBytes) throw badImage("the archive is cut off");
  return { path, digest: `sha256:${hash.digest("hex")}`, sizeBytes };
}
