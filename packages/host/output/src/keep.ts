import { execFile } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { RECORD_HEADER_BYTES, RECORD_PAYLOAD_BYTES } from "@isthmus/agent-client";
import { watching } from "./changes.ts";
import { BLOCK_BYTES, FOLLOWER_WAIT_FACTOR, KEEP_CHECK_MS, KEEP_SLACK_PART, PUNCH_DEADLINE_MS } from "./config.ts";
import type { Followers } from "./followers.ts";
import { readHead, writeHead } from "./head.ts";
import { Scanner } from "./scan.ts";

const run = promisify(execFile);
const RECORD_BYTES_MAX = RECORD_HEADER_BYTES + RECORD_PAYLOAD_BYTES;

/** Keeps about `maxBytes` of the newest output on disk until `stop`. A trim that fails is tried again at the next growth: the VMM writes on regardless. */
export function keepNewest(path: string, maxBytes: number, followers: Followers): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let grew = false;
  const check = async () => {
    grew = false;
    await trim(path, maxBytes, followers).catch(() => 0);
    timer = undefined;
    if (grew) changed();
  };
  const changed = () => {
    grew = true;
    if (stopped || timer) return;
    timer = setTimeout(() => void check(), KEEP_CHECK_MS);
    timer.unref();
  };
  const unwatch = watching(path, changed);
  changed();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      unwatch();
    },
  };
}

/**
 * Punches out the oldest whole records when the file keeps too much. Offsets stay as they are: the file grows, its blocks do not. Never passes the slowest
 * reader, unless the file holds more than FOLLOWER_WAIT_FACTOR times `maxBytes`: then the reader is told. From there on a guest that writes no records is
 * cut anywhere, or it could fill the host's disk. Returns the new head.
 */
export async function trim(path: string, maxBytes: number, followers: Followers): Promise<number> {
  const { size } = await stat(path);
  const head = await readHead(path, size);
  if (size - head <= maxBytes * (1 + KEEP_SLACK_PART)) return head;
  const wished = size - maxBytes;
  const wait = size - head <= maxBytes * FOLLOWER_WAIT_FACTOR;
  const whole = await boundary(path, head, wait ? Math.min(wished, followers.slowest(path)) : wished);
  const next = !wait && wished - whole > RECORD_BYTES_MAX ? wished : whole;
  if (next <= head) return head;
  await writeHead(path, next);
  followers.cut(path, next);
  const length = Math.floor(next / BLOCK_BYTES) * BLOCK_BYTES;
  if (length > 0)
    await run("fallocate", ["--punch-hole", "--offset", "0", "--length", String(length), path], { timeout: PUNCH_DEADLINE_MS });
  return next;
}

/** End of the last whole record that ends at or before `target`. */
async function boundary(path: string, head: number, target: number): Promise<number> {
  const file = await open(path, "r");
  try {
    const scanner = new Scanner(file, head);
    let found = head;
    for (let batch = await scanner.batch(); batch; batch = await scanner.batch()) {
      for (const record of batch) {
        if (record.end > target) return found;
        found = record.end;
      }
    }
    return found;
  } finally {
    await file.close();
  }
}
