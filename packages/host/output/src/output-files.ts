import { closeSync, existsSync, fstatSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { IsthmusError, type MachineExit } from "@isthmus/contract";
import type { OutputFiles } from "@isthmus/core";
import { Followers } from "./followers.ts";
import { forgetHead, headPath, readHead } from "./head.ts";
import { keepNewest } from "./keep.ts";
import { readRecords } from "./read.ts";
import { Scanner } from "./scan.ts";

/** The output files of machines (docs/guest-protocol.md, "Output records"): VMMs append, this reads, repairs and trims. */
export function createOutputFiles(): OutputFiles {
  const followers = new Followers();
  return {
    prepare,
    read: (path, options = {}) => readRecords(path, options, followers),
    exit: lastExit,
    keep: (path, maxBytes) => keepNewest(path, maxBytes, followers),
  };
}

async function prepare(path: string): Promise<number> {
  try {
    if (isNew(path)) return 0;
    await using file = await open(path, "a+", 0o600);
    const { size } = await file.stat();
    const head = await readHead(path, size);
    if (head === 0) await forgetHead(path);
    const scanner = new Scanner(file, head);
    let batch = await scanner.batch();
    while (batch) batch = await scanner.batch();
    if (scanner.pendingBytes > 0) await file.truncate(scanner.offset);
    return scanner.offset;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOSPC")
      throw new IsthmusError("DISK_FULL", { what: "the output of a machine" }, { cause });
    throw cause;
  }
}

/** Makes an output file where there is none, at once: of a new machine there is nothing to repair. */
function isNew(path: string): boolean {
  const file = openSync(path, "a+", 0o600);
  try {
    return fstatSync(file).size === 0 && !existsSync(headPath(path));
  } finally {
    closeSync(file);
  }
}

async function lastExit(path: string, bootOffset: number): Promise<MachineExit | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return undefined;
  try {
    const scanner = new Scanner(file, Math.max(bootOffset, await readHead(path, (await file.stat()).size)));
    let exit: MachineExit | undefined;
    for (let batch = await scanner.batch(); batch; batch = await scanner.batch()) {
      for (const record of batch) if (record.kind === "exit") exit = parseExit(record.payload) ?? exit;
    }
    return exit;
  } finally {
    await file.close();
  }
}

/** The guest is not trusted: anything but a small object with whole numbers is no exit. */
function parseExit(payload: Buffer): MachineExit | undefined {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("code" in value) || !isSmall(value.code)) return undefined;
  return "signal" in value && isSmall(value.signal) ? { code: value.code, signal: value.signal } : { code: value.code };
}

function isSmall(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}
