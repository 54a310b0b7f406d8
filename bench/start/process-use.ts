import { readFileSync } from "node:fs";
import { TICK_MS } from "./config.ts";

/** Memory of a process, what it shares divided by those who share it; 0 when it is gone. MiB. */
export function pssMib(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
}

/** Processor time of a process since its start, ms. */
export function cpuMs(pid: number): number {
  // The name in brackets may hold spaces; utime and stime are fields 14 and 15 of proc(5).
  const fields = read(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Memory of this host that can still be had, MiB. */
export function memoryAvailableMib(): number {
  return Number(/^MemAvailable:\s+(\d+) kB/m.exec(read("/proc/meminfo"))?.[1] ?? 0) / 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
