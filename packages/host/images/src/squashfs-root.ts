import { type FileHandle, open } from "node:fs/promises";
import { badImage } from "./failures.ts";

/**
 * mksquashfs 4.5.1 with `-tar` cannot be told who owns the root folder or when it was changed: it takes the packer's own ids and the current time. Both,
 * and the mode that is not known when packing begins, are corrected here in its uncompressed inode and id tables (`-noI`). Format: Linux, fs/squashfs/squashfs_fs.h.
 */
export interface RootAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

const SUPERBLOCK_BYTES = 96;
const MAGIC = 0x73717368;
const BLOCK_BYTES = 8192;
const IDS_PER_BLOCK = BLOCK_BYTES / 4;
/** a folder's two inode types */
const FOLDER_TYPES = new Set([1, 8]);

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  if (bytesRead !== length) throw badImage("the packer left a broken squashfs");
  return bytes;
}

function place(high: bigint): number {
  if (high > BigInt(Number.MAX_SAFE_INTEGER)) throw badImage("the packer left a broken squashfs");
  return Number(high);
}

/** Index of `wanted` in the id table. The packer's own entry becomes it when no file uses that; undefined when it cannot be had. */
async function idIndex(handle: FileHandle, superblock: Buffer, wanted: number, packer: number, free: boolean): Promise<number | undefined> {
  const count = superblock.readUInt16LE(26);
  const pointers = await readAt(handle, place(superblock.readBigUInt64LE(48)), Math.ceil(count / IDS_PER_BLOCK) * 8);
  let own: { readonly index: number; readonly position: number } | undefined;
  for (let index = 0; index < count; index += 1) {
    const block = place(pointers.readBigUInt64LE(Math.floor(index / IDS_PER_BLOCK) * 8));
    const position = block + 2 + (index % IDS_PER_BLOCK) * 4;
    const id = (await readAt(handle, position, 4)).readUInt32LE(0);
    if (id === wanted) return index;
    if (id === packer) own = { index, position };
  }
  if (own === undefined || !free) return undefined;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(wanted);
  await handle.write(bytes, 0, 4, own.position);
  return own.index;
}

/** Gives the root folder its mode, owner, group and time. `ids` are the owners and groups of the files; an owner that squashfs cannot name stays the packer's. */
export async function setRoot(
  path: string,
  root: RootAttributes,
  ids: ReadonlySet<number>,
  packer: { uid: number; gid: number },
): Promise<void> {
  const handle = await open(path, "r+");
  try {
    const superblock = await readAt(handle, 0, SUPERBLOCK_BYTES);
    if (superblock.readUInt32LE(0) !== MAGIC) throw badImage("the packer left no squashfs");
    const reference = superblock.readBigUInt64LE(32);
    const base = place(superblock.readBigUInt64LE(64) + (reference >> 16n));
    const offset = Number(reference & 0xffffn);
    if (((await readAt(handle, base, 2)).readUInt16LE(0) & 0x8000) === 0) throw badImage("the packer compressed its inodes");
    // An inode may cross into the next block, which has a two-byte header of its own.
    const at = (field: number): number => base + 2 + offset + field + 2 * Math.floor((offset + field) / BLOCK_BYTES);
    if (!FOLDER_TYPES.has((await readAt(handle, at(0), 2)).readUInt16LE(0))) throw badImage("the packer left a broken squashfs");
    const uid = await idIndex(handle, superblock, root.uid, packer.uid, !ids.has(packer.uid));
    const gid = await idIndex(handle, superblock, root.gid, packer.gid, !ids.has(packer.gid) && root.uid === root.gid);
    const field = Buffer.alloc(4);
    await handle.write(field, 0, field.writeUInt16LE(root.mode & 0o7777), at(2));
    if (uid !== undefined) await handle.write(field, 0, field.writeUInt16LE(uid), at(4));
    if (gid !== undefined) await handle.write(field, 0, field.writeUInt16LE(gid), at(6));
    for (const half of [0, 2]) await handle.write(field, 0, field.writeUInt16LE((root.mtime >>> (half * 8)) & 0xffff), at(8 + half));
  } finally {
    await handle.close();
  }
}
