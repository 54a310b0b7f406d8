import { tarLimits } from "./config.ts";
import { badImage } from "./failures.ts";

/** Names, targets and attribute values are kept as one character a byte (latin1), so that what is not UTF-8 survives. */
export type ByteString = string;

export type EntryType = "file" | "link" | "symlink" | "character" | "block" | "directory" | "fifo";

/** One entry of a tar as written there: nothing is checked yet. */
export interface TarEntry {
  name: ByteString;
  type: EntryType;
  mode: number;
  uid: number;
  gid: number;
  /** of the file's content, in bytes */
  size: number;
  /** s since 1970 */
  mtime: number;
  target: ByteString;
  major: number;
  minor: number;
  xattrs: ReadonlyMap<ByteString, ByteString> | undefined;
  /** where the content begins in the (decompressed) tar, in bytes */
  offset: number;
}

export interface RawHeader extends Omit<TarEntry, "type" | "xattrs" | "offset"> {
  flag: string;
}

function text(block: Buffer, start: number, length: number): ByteString {
  const end = block.indexOf(0, start);
  return block.toString("latin1", start, end === -1 || end > start + length ? start + length : end);
}

/** Octal digits, or GNU's base-256 (first bit set). Refuses what is neither. */
function number(block: Buffer, start: number, length: number, field: string): number {
  const first = block[start] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = (first & 0x40) === 0 ? first & 0x3f : (first & 0x7f) - 0x80;
    for (let at = start + 1; at < start + length; at += 1) value = value * 256 + (block[at] ?? 0);
    if (!Number.isSafeInteger(value)) throw badImage(`a tar header has ${field} out of range`);
    return value;
  }
  const digits = text(block, start, length).trim();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw badImage(`a tar header has a malformed ${field}`);
  return Number.parseInt(digits, 8);
}

/** Old tars summed signed bytes: both sums are accepted, as every reader does. */
function checksumFits(block: Buffer): boolean {
  const field = /^[ \0]*([0-7]{1,7})[ \0]*/.exec(block.toString("latin1", 148, 156));
  if (field?.[1] === undefined) return false;
  const wanted = Number.parseInt(field[1], 8);
  let sum = 8 * 32;
  let signed = 8 * 32;
  for (let at = 0; at < tarLimits.blockBytes; at += 1) {
    if (at === 148) at = 156;
    const byte = block[at] ?? 0;
    sum += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return wanted === sum || wanted === signed;
}

/** Decodes one 512-byte header block (POSIX pax, ustar, GNU or v7). Throws BAD_IMAGE. */
export function decodeHeader(block: Buffer): RawHeader {
  if (!checksumFits(block)) throw badImage("a tar header has a wrong checksum");
  const posix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = posix ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const flag = block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0);
  const device = flag === "3" || flag === "4";
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    flag: flag === "7" ? "0" : flag,
    mode: number(block, 100, 8, "mode") & 0o7777,
    uid: number(block, 108, 8, "owner"),
    gid: number(block, 116, 8, "group"),
    size: number(block, 124, 12, "size"),
    mtime: number(block, 136, 12, "time"),
    target: text(block, 157, 100),
    major: device ? number(block, 329, 8, "device number") : 0,
    minor: device ? number(block, 337, 8, "device number") : 0,
  };
}

export const entryTypes: Readonly<Record<string, EntryType>> = {
  "0": "file",
  "1": "link",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
