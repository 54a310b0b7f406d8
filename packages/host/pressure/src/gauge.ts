import { readdirSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type HostFacts, KIB } from "@isthmus/contract";
import type { HostGauge } from "@isthmus/core";
import { LoadEstimate } from "./load.ts";
import { numberAfter, type ProcText, procText } from "./proc-text.ts";
import { psi } from "./psi.ts";

export interface GaugeOptions {
  /** data folder */
  readonly home: string;
  readonly now?: () => number;
  readonly read?: ProcText;
  readonly cpus?: number;
}

/** Reads about ten small files of /proc each time. */
export function createGauge({ home, now = Date.now, read = procText, cpus = availableParallelism() }: GaugeOptions): HostGauge {
  const estimate = new LoadEstimate(read, cpus);
  return {
    facts(): HostFacts {
      const meminfo = read("/proc/meminfo") ?? "";
      const atMs = now();
      return {
        cpus,
        memoryTotalBytes: numberAfter(meminfo, "MemTotal") * KIB,
        memoryAvailableBytes: numberAfter(meminfo, "MemAvailable") * KIB,
        diskFreeBytes: diskFree(home),
        processesLeft: processesLeft(read),
        descriptorsLeft: descriptorsLeft(read),
        pressure: psi(read, atMs) ?? estimate.sample(atMs),
      };
    },
  };
}

function diskFree(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/** Threads count as processes do. The limit of a user is one on all that the user runs; root has none. */
function processesLeft(read: ProcText): number {
  const number = (path: string) => Number(read(path)?.trim() || Number.MAX_SAFE_INTEGER);
  const running = Number(/^\S+ \S+ \S+ \d+\/(\d+)/.exec(read("/proc/loadavg") ?? "")?.[1] ?? 0);
  const root = /^Uid:\s+\d+\s+0\s/m.test(read("/proc/self/status") ?? "");
  const own = root ? Number.MAX_SAFE_INTEGER : softLimit(read, "Max processes");
  return Math.max(0, Math.min(number("/proc/sys/kernel/pid_max"), number("/proc/sys/kernel/threads-max"), own) - running);
}

function descriptorsLeft(read: ProcText): number {
  const [used = 0, , most = Number.MAX_SAFE_INTEGER] = (read("/proc/sys/fs/file-nr") ?? "").split(/\s+/).filter(Boolean).map(Number);
  return Math.max(0, Math.min(softLimit(read, "Max open files") - openFiles(), most - used));
}

function openFiles(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

function softLimit(read: ProcText, name: string): number {
  const value = new RegExp(`^${name}\\s+(\\S+)`, "m").exec(read("/proc/self/limits") ?? "")?.[1];
  return value === undefined || value === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(value);
}
