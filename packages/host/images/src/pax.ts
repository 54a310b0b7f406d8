import { tarLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import type { ByteString, RawHeader } from "./tar-header.ts";

export type PaxRecords = Map<ByteString, ByteString>;

const XATTR_PREFIX = "SCHILY.xattr.";

/** Records `LENGTH KEY=VALUE\n` (POSIX pax). Values keep their bytes. Throws BAD_IMAGE. */
export function decodePax(bytes: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const digits = space === -1 ? "" : bytes.toString("latin1", at, Math.min(space, at + 8));
    const end = at + Number(digits);
    if (!/^[1-9][0-9]{0,6}$/.test(digits) || end > bytes.length || end <= space + 1 || bytes[end - 1] !== 0x0a)
      throw badImage("a PAX header is malformed");
    const record = bytes.toString("latin1", space + 1, end - 1);
    const equals = record.indexOf("=");
    if (equals < 1) throw badImage("a PAX header is malformed");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}

function whole(value: string, field: string): number {
  const parsed = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(parsed)) throw badImage(`a PAX header has a malformed ${field}`);
  return parsed;
}

/** Overrides what the plain header could not hold. An empty value means "as in the header". */
export function applyPax(header: RawHeader, records: PaxRecords): void {
  for (const [key, value] of records) {
    if (value === "" && !key.startsWith(XATTR_PREFIX)) continue;
    if (key === "path") header.name = value;
    else if (key === "linkpath") header.target = value;
    else if (key === "size") header.size = whole(value, "size");
    else if (key === "uid") header.uid = whole(value, "owner");
    else if (key === "gid") header.gid = whole(value, "group");
    else if (key === "mtime") {
      if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(value)) throw badImage("a PAX header has a malformed time");
      header.mtime = Math.floor(Number(value));
    }
  }
}

/** What squashfs can hold, without the marks that overlayfs would obey: an image must not steer the overlay that is mounted over it. */
function isKept(name: ByteString): boolean {
  if (name.startsWith("trusted.overlay.") || name.startsWith("user.overlay.")) return false;
  return /^(user|trusted|security)\../.test(name);
}

/** Throws BAD_IMAGE. Undefined when there are none. */
export function paxXattrs(records: PaxRecords): ReadonlyMap<ByteString, ByteString> | undefined {
  let xattrs: Map<ByteString, ByteString> | undefined;
  for (const [key, value] of records) {
    if (!key.startsWith(XATTR_PREFIX)) continue;
    const name = key.slice(XATTR_PREFIX.length);
    if (name.length > tarLimits.nameBytes || name.includes("\0")) throw badImage("an extended attribute has a bad name");
    if (value.length > tarLimits.xattrValueBytes) throw badImage("an extended attribute is too large");
    if (!isKept(name)) continue;
    xattrs ??= new Map();
    xattrs.set(name, value);
    if (xattrs.size > tarLimits.xattrsPerFile) throw badImage("a file has too many extended attributes");
  }
  return xattrs;
}
