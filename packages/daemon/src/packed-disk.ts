import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { IsthmusError } from "@isthmus/contract";

const BLOCK_BYTES = 512;
/** Of what is copied at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** Longest list of the parts of a disk. */
const MAP_BYTES_MAX = 1024 * 1024;

/** A part of a disk that is no hole. */
interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** Where the parts lie one behind the other in the archive. */
interface Packed {
  readonly sizeBytes: number;
  readonly extents: readonly Extent[];
  readonly dataAt: number;
}

/** Packs the sparse file at `disk`: tar finds its holes, and writes down where the rest belongs. */
export async function packDisk(
  disk: string,
  target: string,
  program: (name: string, args: readonly string[]) => Promise<void>,
): Promise<void> {
  const form = ["--create", "--sparse", "--format=pax", "--sparse-version=1.0", "--numeric-owner"];
  await program("tar", [...form, `--file=${target}`, `--directory=${dirname(disk)}`, "--", basename(disk)]);
}

/** Makes the sparse file `target`, which must not exist, of what `packDisk` made. Throws HOST_COMMAND_FAILED when that is something else. */
export async function unpackDisk(packed: string, target: string): Promise<void> {
  await using from = await open(packed, "r");
  const { sizeBytes, extents, dataAt } = await readMap(from);
  await using to = await open(target, "wx", 0o600);
  await to.truncate(sizeBytes);
  let at = dataAt;
  for (const { offset, length } of extents) {
    for (let done = 0; done < length; done += CHUNK_BYTES) {
      const chunk = await read(from, at + done, Math.min(CHUNK_BYTES, length - done));
      await to.write(chunk, 0, chunk.length, offset + done);
    }
    at += length;
  }
}

/** GNU tar's sparse format 1.0: a pax header that gives the real size, the file's header, its map in decimal lines padded to a block, its data. */
async function readMap(from: FileHandle): Promise<Packed> {
  const first = await read(from, 0, BLOCK_BYTES);
  const attributesBytes = octal(first, 124, 12);
  const attributes = (await read(from, BLOCK_BYTES, attributesBytes)).toString("utf8");
  const real = /GNU\.sparse\.realsize=(\d+)\n/.exec(attributes)?.[1];
  const headerAt = BLOCK_BYTES + padded(attributesBytes);
  const mapAt = headerAt + BLOCK_BYTES;
  if (real === undefined || !/GNU\.sparse\.major=1\n/.test(attributes)) throw notPacked("it has no map of a sparse file");
  const storedBytes = octal(await read(from, headerAt, BLOCK_BYTES), 124, 12);
  const text = (await read(from, mapAt, Math.min(storedBytes, MAP_BYTES_MAX))).toString("latin1");
  const numbers = text.slice(0, nthLineEnd(text)).trimEnd().split("\n").map(Number);
  const extents = Array.from({ length: numbers[0] ?? 0 }, (_, index) => ({
    offset: numbers[1 + 2 * index] ?? Number.NaN,
    length: numbers[2 + 2 * index] ?? Number.NaN,
  }));
  return { sizeBytes: Number(real), extents, dataAt: mapAt + padded(nthLineEnd(text)) };
}

/** End of the map: a line with the number of parts, and two lines for each. */
function nthLineEnd(text: string): number {
  const lines = 1 + 2 * Number.parseInt(text, 10);
  let end = 0;
  for (let line = 0; line < lines; line += 1) {
    end = text.indexOf("\n", end) + 1;
    if (end === 0) throw notPacked("its map is cut off");
  }
  if (end === 0) throw notPacked("its map is unreadable");
  return end;
}

function octal(block: Buffer, at: number, length: number): number {
  const value = Number.parseInt(block.toString("latin1", at, at + length), 8);
  if (Number.isNaN(value)) throw notPacked("its header is unreadable");
  return value;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

async function read(from: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await from.read(buffer, 0, length, at);
  if (bytesRead < length) throw notPacked("it is cut off");
  return buffer;
}

function notPacked(reason: string): IsthmusError {
  return new IsthmusError("HOST_COMMAND_FAILED", { program: "tar", reason: `the packed disk cannot be used: ${reason}` });
}
