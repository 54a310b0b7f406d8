import { open } from "node:fs/promises";

const MAGIC_OFFSET = 0x202;
const VERSION_POINTER_OFFSET = 0x20e;
/** The pointer counts from the end of the boot sector (Documentation/arch/x86/boot.rst). */
const VERSION_BASE = 0x200;
const HEAD_BYTES = 32 * 1024;
const FALLBACK = "unknown";

/** The release that an x86 bzImage names in its header, such as `6.1.0-56-cloud-amd64`; `unknown` for any other file. */
export async function bzImageVersion(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    if (bytesRead < VERSION_BASE || head.toString("latin1", MAGIC_OFFSET, MAGIC_OFFSET + 4) !== "HdrS") return FALLBACK;
    const start = head.readUInt16LE(VERSION_POINTER_OFFSET) + VERSION_BASE;
    const end = head.indexOf(0, start);
    const text = start < bytesRead && end > start ? head.toString("latin1", start, end) : "";
    return /^[\w.+~-]{1,100}/.exec(text)?.[0] ?? FALLBACK;
  } finally {
    await file.close();
  }
}
