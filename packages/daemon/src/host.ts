import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { KIB } from "@isthmus/contract";
import type { Clock, HostCapacity } from "@isthmus/core";

/** What this host has, from /proc. */
export function hostCapacity(): HostCapacity {
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return {
    memoryTotalBytes: totalmem,
    memoryFreeBytes: () => Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) * KIB,
    cpus: availableParallelism,
    bootId: () => bootId,
  };
}

/** setTimeout holds 31 bits of milliseconds; longer waits are cut into pieces. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  after(ms, action) {
    const due = Date.now() + ms;
    let timer: NodeJS.Timeout;
    const arm = () => {
      const left = due - Date.now();
      timer = left > TIMER_MAX_MS ? setTimeout(arm, TIMER_MAX_MS) : setTimeout(action, Math.max(0, left));
      timer.unref();
    };
    arm();
    return () => clearTimeout(timer);
  },
};
