import { execFile } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { watching } from "./changes.ts";
import { BLOCK_BYTES, FOLLOWER_WAIT_FACTOR, KEEP_CHECK_MS, KEEP_SLACK_PART, PUNCH_DEADLINE_MS } from "./config.ts";
import type { Followers } from "./followers.ts";
import { readHead, writeHead } from "./head.ts";
import { Scanner } from "./scan.ts";

const run = promisify(execFile);

/** Keeps about `maxBytes` of the newest output on disk until `stop`. A trim that fails is tried again at the next growth: the VMM writes on regardless. */
export function keepNewest(path: string, maxBytes: number, followers: Followers): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let grew = false;
  const check = async () => {
    grew = false;
    await trim(path, maxBytes, followers.slowest(path)).catch(() => 0);
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
 * Punches out the oldest whole records when the file keeps too much. Offsets stay as they are: the file grows, its blocks do not. Never passes `slowest`, the
 * place of the slowest reader, unless the file holds more than FOLLOWER_WAIT_FACTOR times `maxBytes`. Returns the new head.
 */
export async function trim(path: string, maxBytes: number, slowest: number): Promise<number> {
  const head = await readHead(path);
  const { size } = await stat(path);
  if (size - head <= maxBytes * (1 + KEEP_SLACK_PART)) return head;
  const wished = size - maxBytes;
  const wait = size - head <= maxBytes * FOLLOWER_WAIT_FACTOR;
  const target = wait ? Math.min(wished, slowest) : wished;
  const next = await boundary(path, head, target);
  if (next <= head) return head;
  await writeHead(path, next);
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
