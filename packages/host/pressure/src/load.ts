import type { PressureSample } from "@isthmus/contract";
import { DIRECT_RECLAIM_PERCENT, MEMORY_LOW_PART } from "./config.ts";
import { numberAfter, type ProcText } from "./proc-text.ts";

interface Counters {
  readonly scanned: number;
  readonly ticks: number;
  readonly waiting: number;
}

/** What stands in for pressure on a kernel without it: an estimate, which is why the sample says its source. */
export class LoadEstimate {
  readonly #read: ProcText;
  readonly #cpus: number;
  #earlier: Counters | undefined;

  constructor(read: ProcText, cpus: number) {
    this.#read = read;
    this.#cpus = cpus;
  }

  sample(atMs: number): PressureSample {
    const [load = 0] = (this.#read("/proc/loadavg") ?? "").split(" ").map(Number);
    const cpu = load > this.#cpus ? ((load - this.#cpus) / load) * 100 : 0;
    const counters = this.#counters();
    const earlier = this.#earlier ?? counters;
    this.#earlier = counters;
    const meminfo = this.#read("/proc/meminfo") ?? "";
    const free = numberAfter(meminfo, "MemAvailable") / Math.max(1, numberAfter(meminfo, "MemTotal"));
    const lack = free < MEMORY_LOW_PART ? (1 - free / MEMORY_LOW_PART) * 100 : 0;
    const memory = Math.max(lack, counters.scanned > earlier.scanned ? DIRECT_RECLAIM_PERCENT : 0);
    const ticks = counters.ticks - earlier.ticks;
    const io = ticks > 0 ? Math.min(100, ((counters.waiting - earlier.waiting) / ticks) * 100) : 0;
    return { source: "load", atMs, cpu: stall(cpu, 0), memory: stall(memory, lack), io: stall(Math.max(0, io), 0) };
  }

  #counters(): Counters {
    const vmstat = this.#read("/proc/vmstat") ?? "";
    const [, ...times] = (/^cpu .*/m.exec(this.#read("/proc/stat") ?? "")?.[0] ?? "").trim().split(/\s+/).map(Number);
    return {
      scanned: numberAfter(vmstat, "pgscan_direct"),
      // guest time, from the ninth on, is in user time already
      ticks: times.slice(0, 8).reduce((sum, time) => sum + time, 0),
      waiting: times[4] ?? 0,
    };
  }
}

function stall(some: number, full: number): PressureSample["cpu"] {
  return { some10: some, some60: some, full10: full, full60: full };
}
