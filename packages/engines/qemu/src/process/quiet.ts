import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { QUIET_DEADLINE_MS, QUIET_LOOK_MS, QUIET_MS, QUIET_NS } from "../config.ts";

/**
 * Settles when a guest has nothing more to do, such as to notice that its host left: for `QUIET_MS` no thread of its VMM wanted the processor. One that never
 * is quiet is waited for until `QUIET_DEADLINE_MS`.
 */
export async function quiet(pid: number): Promise<void> {
  const giveUpAt = performance.now() + QUIET_DEADLINE_MS;
  let [usedNs, sinceMs] = [0, 0];
  for (;;) {
    const now = performance.now();
    const { waits, cpuNs } = demand(pid);
    if (waits || cpuNs - usedNs >= QUIET_NS) [usedNs, sinceMs] = [cpuNs, now];
    if (now - sinceMs >= QUIET_MS || now >= giveUpAt) return;
    await sleep(QUIET_LOOK_MS);
  }
}

/** Processor time of all threads of a process (schedstat in proc(5)), and whether one runs or waits for a processor; nothing of one that is gone. */
function demand(pid: number): { readonly waits: boolean; readonly cpuNs: number } {
  let [waits, cpuNs] = [false, 0];
  for (const task of threads(pid)) {
    const stat = words(`/proc/${pid}/task/${task}/stat`);
    waits ||= stat.slice(stat.lastIndexOf(")") + 2).startsWith("R");
    cpuNs += Number(words(`/proc/${pid}/task/${task}/schedstat`).split(" ")[0]);
  }
  return { waits, cpuNs };
}

function threads(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function words(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
