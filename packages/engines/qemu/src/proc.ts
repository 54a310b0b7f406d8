import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { CLOCK_TICKS_PER_SECOND, PAGE_BYTES, QEMU_PROGRAM } from "./config.ts";

/** A process of this host as proc(5) shows it. */
export interface ProcessStatus {
  /** clock ticks between the host's boot and its start: with the pid it names one process for the life of the host */
  readonly startTime: string;
  /** user and system time, ms */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** Undefined when there is no such process, or only its zombie. */
export function processStatus(pid: number): ProcessStatus | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name in field 2 may hold spaces and brackets; field 3 follows its last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => fields[number - 3] ?? "";
  if (field(3) === "Z" || field(3) === "X") return undefined;
  const ticks = Number(field(14)) + Number(field(15));
  return { startTime: field(22), cpuMs: (ticks * 1000) / CLOCK_TICKS_PER_SECOND, rssBytes: Number(field(24)) * PAGE_BYTES };
}

/** Arguments of a process; undefined when it is gone. */
export async function processArguments(pid: number): Promise<readonly string[] | undefined> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
  } catch {
    return undefined;
  }
}

/** The value of `-pidfile` when the arguments are QEMU's. */
export function pidFileOf(argv: readonly string[]): string | undefined {
  if (!argv[0]?.split("/").at(-1)?.startsWith(QEMU_PROGRAM)) return undefined;
  const at = argv.indexOf("-pidfile");
  return at < 0 ? undefined : argv[at + 1];
}

/** All QEMU processes that have a pid file, with its path. */
export async function qemuProcesses(): Promise<readonly { readonly pid: number; readonly pidFile: string }[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const pidFile = pidFileOf((await processArguments(pid)) ?? []);
      return pidFile === undefined ? [] : [{ pid, pidFile }];
    }),
  );
  return found.flat();
}
