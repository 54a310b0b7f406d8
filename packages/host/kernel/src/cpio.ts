/**
 * Writer of the "newc" cpio format, the one that Linux unpacks as an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst).
 * Pure and deterministic: no times, no owners, inode numbers count up.
 */

export type CpioEntry =
  | { readonly type: "directory"; readonly name: string; readonly mode: number }
  | { readonly type: "file"; readonly name: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly type: "device"; readonly name: string; readonly mode: number; readonly major: number; readonly minor: number };

const MAGIC = "070701";
const ALIGNMENT_BYTES = 4;
const TRAILER = "TRAILER!!!";
const typeBits = { directory: 0o040000, file: 0o100000, device: 0o020000 } as const;

interface Header {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly name: string;
}

function padding(length: number): Buffer {
  return Buffer.alloc((ALIGNMENT_BYTES - (length % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES);
}

function header(fields: Header): Buffer {
  const name = Buffer.from(`${fields.name}\0`, "utf8");
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const numbers = [fields.inode, fields.mode, 0, 0, fields.links, 0, fields.size, 0, 0, fields.major, fields.minor, name.length, 0];
  const head = Buffer.from(MAGIC + numbers.map((value) => value.toString(16).padStart(8, "0")).join(""), "latin1");
  return Buffer.concat([head, name, padding(head.length + name.length)]);
}

function pieces(entry: CpioEntry, inode: number): readonly Uint8Array[] {
  const content = entry.type === "file" ? entry.content : new Uint8Array();
  const head = header({
    inode,
    mode: typeBits[entry.type] | entry.mode,
    links: entry.type === "directory" ? 2 : 1,
    size: content.length,
    major: entry.type === "device" ? entry.major : 0,
    minor: entry.type === "device" ? entry.minor : 0,
    name: entry.name,
  });
  return [head, content, padding(content.length)];
}

/** The archive of `entries` in their order; a folder must come before what is in it. Names have no leading slash. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => pieces(entry, index + 1));
  const trailer = header({ inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0, name: TRAILER });
  return Buffer.concat([...parts, trailer]);
}
