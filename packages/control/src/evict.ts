import { readdir, readFile, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import { EVICT_MS, RETRY_MS } from "./config.ts";
import { endNow } from "./end-now.ts";

const commandOf = async (pid: number): Promise<string> => await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");

/** Processes of ours that are to listen at `path`. They are not asked: one that is stopped would not answer. */
async function pidsFor(path: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = pids.map(async (pid) => {
    if (!isFor(path, await commandOf(pid))) return [];
    const owner = await stat(`/proc/${pid}`).catch(() => undefined);
    return owner?.uid === process.geteuid?.() ? [pid] : [];
  });
  return (await Promise.all(found)).flat();
}

const isFor = (path: string, command: string): boolean => command.includes(`\0--socket\0${path}\0`);

/**
 * Ends a process that speaks another protocol, as one of another version does, or says nothing, as one that is stopped does, and takes its socket away. What it did stays, for the next to
 * replace. What listens there and is no process of ours is let live. Throws TIMEOUT when it does not end.
 */
export async function evict(path: string): Promise<void> {
  for (const pid of await pidsFor(path)) {
    const command = await commandOf(pid);
    if (!isFor(path, command)) continue;
    endNow(pid);
    // Its ports are free when it is gone.
    for (const giveUpAt = performance.now() + EVICT_MS; (await commandOf(pid)) === command; await sleep(RETRY_MS))
      if (performance.now() > giveUpAt) throw new IsthmusError("TIMEOUT", { what: `the end of process ${pid}`, limit: EVICT_MS });
  }
  await rm(path, { force: true });
}
