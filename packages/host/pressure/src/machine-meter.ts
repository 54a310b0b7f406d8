import { setImmediate as turn } from "node:timers/promises";
import type { MachineUse } from "@isthmus/contract";
import type { MachineMeter } from "@isthmus/core";
import { CLOCK_TICKS_PER_SECOND, MACHINES_AT_ONCE, PAGE_BYTES } from "./config.ts";
import { numberAfter, type ProcText, procText } from "./proc-text.ts";

interface Counters {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly operations: number;
}

export interface MeterOptions {
  /** memory charged to the group of a process, when there is one that is counted */
  readonly groupBytes: (pid: number) => number | undefined;
  readonly now?: () => number;
  readonly read?: ProcText;
}

/** Three small files for each machine (proc_pid_stat(5), proc_pid_io(5), the group's usage): some hundred machines take milliseconds, and others get their turn in between. */
export function createMeter({ groupBytes, now = Date.now, read = procText }: MeterOptions): MachineMeter {
  let earlier = new Map<number, Counters>();
  return {
    async measure(machines) {
      const present = new Map<number, Counters>();
      const uses: MachineUse[] = [];
      for (const [index, machine] of machines.entries()) {
        if (index % MACHINES_AT_ONCE === MACHINES_AT_ONCE - 1) await turn();
        const found = countersOf(read, machine.pid, now());
        if (found === undefined) continue;
        present.set(machine.pid, found.counters);
        const group = groupBytes(machine.pid);
        const memory = { memoryBytes: group ?? found.rssBytes, memorySource: group === undefined ? "rss" : "cgroup" } as const;
        uses.push({ id: machine.id, name: machine.name, ...memory, ...rates(earlier.get(machine.pid), found.counters) });
      }
      earlier = present;
      return uses;
    },
  };
}

/** A machine that was not there before has no rates yet. */
function rates(before: Counters | undefined, after: Counters) {
  const ms = before === undefined ? 0 : after.atMs - before.atMs;
  const per = (field: Exclude<keyof Counters, "atMs">) =>
    before === undefined || ms <= 0 ? 0 : Math.max(0, (after[field] - before[field]) / ms);
  return {
    cpuPart: per("cpuMs"),
    readBytesPerSecond: per("readBytes") * 1000,
    writeBytesPerSecond: per("writeBytes") * 1000,
    operationsPerSecond: per("operations") * 1000,
  };
}

function countersOf(read: ProcText, pid: number, atMs: number): { counters: Counters; rssBytes: number } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in field 2 may hold spaces and brackets; field 3 follows its last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3] ?? 0);
  const io = read(`/proc/${pid}/io`) ?? "";
  return {
    counters: {
      atMs,
      cpuMs: ((field(14) + field(15)) * 1000) / CLOCK_TICKS_PER_SECOND,
      readBytes: numberAfter(io, "read_bytes"),
      writeBytes: numberAfter(io, "write_bytes"),
      operations: numberAfter(io, "syscr") + numberAfter(io, "syscw"),
    },
    rssBytes: field(24) * PAGE_BYTES,
  };
}
