import { readSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setImmediate as otherWork } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import { COPY_CHUNK_BYTES, COPY_TURN_BYTES, PAGE_BYTES } from "../config.ts";
import type { Monitor } from "../monitor/monitor.ts";

/** Pages in a row, as numbers of pages from the memory's beginning. */
interface Run {
  readonly first: number;
  readonly end: number;
}

/** Bits of the upper half of an entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst of Linux). */
const PRESENT = 1 << 31;
const SWAPPED = 1 << 30;
const OF_FILE = 1 << 29;
const ENTRY_BYTES = 8;

/** Address of the guest's memory in its VMM, where it lies in one piece. Throws HOST_COMMAND_FAILED. */
async function memoryAddress(monitor: Monitor): Promise<number> {
  const words = await monitor.humanCommand("gpa2hva 0");
  const digits = / is 0x([0-9a-f]+)$/.exec(words)?.[1];
  if (digits === undefined) throw new IsthmusError("HOST_COMMAND_FAILED", { program: "QEMU's gpa2hva", reason: words });
  return Number.parseInt(digits, 16);
}

/** The pages that a process has for itself in a range: all that it wrote to, but not what it shares with the file that is mapped there. */
async function privateRuns(pid: number, address: number, sizeBytes: number): Promise<readonly Run[]> {
  const pages = sizeBytes / PAGE_BYTES;
  const bytes = Buffer.alloc(pages * ENTRY_BYTES);
  const pagemap = await open(`/proc/${pid}/pagemap`, "r");
  try {
    const { bytesRead } = await pagemap.read(bytes, 0, bytes.length, (address / PAGE_BYTES) * ENTRY_BYTES);
    if (bytesRead !== bytes.length)
      throw new IsthmusError("HOST_COMMAND_FAILED", { program: "pagemap", reason: `${bytesRead} bytes were read` });
  } finally {
    await pagemap.close();
  }
  return runsOf(new Uint32Array(bytes.buffer, bytes.byteOffset, pages * 2), pages);
}

/** `entries` are halves: the upper one of page n is at 2n + 1. */
export function runsOf(entries: Uint32Array, pages: number): readonly Run[] {
  const runs: Run[] = [];
  let first = -1;
  for (let page = 0; page <= pages; page += 1) {
    const entry = page < pages ? (entries[2 * page + 1] ?? 0) : 0;
    const own = (entry & SWAPPED) !== 0 || ((entry & PRESENT) !== 0 && (entry & OF_FILE) === 0);
    if (own && first < 0) first = page;
    if (own || first < 0) continue;
    runs.push({ first, end: page });
    first = -1;
  }
  return runs;
}

/**
 * Writes into `file` what the VMM's process holds of its guest's memory and no file does; the guest must be stopped. What `file` holds already is what the memory was
 * mapped from. Throws CAPTURE_FAILED-worthy errors of the system, such as EACCES where a process may not be looked into.
 */
export async function copyPrivatePages(parts: {
  readonly pid: number;
  readonly monitor: Monitor;
  readonly sizeBytes: number;
  readonly file: FileHandle;
}): Promise<void> {
  const { pid, monitor, sizeBytes, file } = parts;
  const address = await memoryAddress(monitor);
  const runs = await privateRuns(pid, address, sizeBytes);
  const memory = await open(`/proc/${pid}/mem`, "r");
  try {
    const buffer = Buffer.allocUnsafe(COPY_CHUNK_BYTES);
    let turn = 0;
    for (const { first, end } of runs) {
      for (let at = first * PAGE_BYTES; at < end * PAGE_BYTES; at += COPY_CHUNK_BYTES) {
        const length = Math.min(COPY_CHUNK_BYTES, end * PAGE_BYTES - at);
        // Waiting for each of hundreds of short copies would keep the guest stopped for longer than the copies take.
        const read = readSync(memory.fd, buffer, 0, length, address + at);
        if (read !== length)
          throw new IsthmusError("HOST_COMMAND_FAILED", { program: "reading the guest's memory", reason: `${read} of ${length} bytes` });
        writeSync(file.fd, buffer, 0, length, at);
        turn += length;
        if (turn < COPY_TURN_BYTES) continue;
        turn = 0;
        await otherWork();
      }
    }
  } finally {
    await memory.close();
  }
}
