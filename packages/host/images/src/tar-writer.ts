import { tarLimits } from "./config.ts";
import type { ByteString, TarEntry } from "./tar-header.ts";

const BLOCK = tarLimits.blockBytes;

export type NewEntry = Omit<TarEntry, "offset">;

const flags: Readonly<Record<TarEntry["type"], string>> = {
  file: "0",
  link: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** Largest values of the octal fields of a ustar header. */
const ID_MAX = 0o7777777;
const SIZE_MAX = 0o77777777777;

function octal(block: Buffer, value: number, start: number, length: number): void {
  block.write(value.toString(8).padStart(length - 1, "0"), start, length - 1, "latin1");
}

function headerBlock(name: ByteString, flag: string, entry: NewEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name.slice(0, 100), 0, "latin1");
  octal(block, entry.mode & 0o7777, 100, 8);
  octal(block, entry.uid <= ID_MAX ? entry.uid : 0, 108, 8);
  octal(block, entry.gid <= ID_MAX ? entry.gid : 0, 116, 8);
  octal(block, size <= SIZE_MAX ? size : 0, 124, 12);
  octal(block, Math.max(0, entry.mtime), 136, 12);
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  if (flag !== "x") block.write(entry.target.slice(0, 100), 157, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  octal(block, entry.major, 329, 8);
  octal(block, entry.minor, 337, 8);
  let sum = 0;
  for (const byte of block) sum += byte;
  octal(block, sum, 148, 7);
  block[154] = 0;
  return block;
}

/** A record's length counts its own digits. */
function paxRecord(key: string, value: ByteString): ByteString {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return `${length}${rest}`;
}

function paxOf(entry: NewEntry, name: ByteString): ByteString {
  let records = "";
  if (name.length > 100) records += paxRecord("path", name);
  if (entry.target.length > 100) records += paxRecord("linkpath", entry.target);
  if (entry.uid > ID_MAX) records += paxRecord("uid", `${entry.uid}`);
  if (entry.gid > ID_MAX) records += paxRecord("gid", `${entry.gid}`);
  if (entry.size > SIZE_MAX) records += paxRecord("size", `${entry.size}`);
  for (const [key, value] of entry.xattrs ?? []) records += paxRecord(`SCHILY.xattr.${key}`, value);
  return records;
}

/** The header blocks of one entry, with a PAX header before them where ustar has no room. Content and padding are the caller's. */
export function encodeEntry(entry: NewEntry): Buffer {
  const name = entry.type === "directory" && !entry.name.endsWith("/") ? `${entry.name}/` : entry.name;
  const size = entry.type === "file" ? entry.size : 0;
  const plain = headerBlock(name, flags[entry.type], entry, size);
  const pax = paxOf(entry, name);
  if (pax === "") return plain;
  const body = Buffer.alloc(Math.ceil(pax.length / BLOCK) * BLOCK);
  body.write(pax, 0, "latin1");
  return Buffer.concat([headerBlock("PaxHeaders/entry", "x", { ...entry, major: 0, minor: 0 }, pax.length), body, plain]);
}

/** Zero bytes after content of `size` bytes. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Two empty blocks. */
export const endOfTar: Buffer = Buffer.alloc(2 * BLOCK);
