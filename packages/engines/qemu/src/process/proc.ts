import { readFileSync } from "node:fs";
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CLOCK_TICKS_PER_SECOND, PAGE_BYTES, QEMU_PROGRAM } from "../config.ts";

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

/** What proc(5) appends to the path of a folder that was removed. */
const REMOVED = " (deleted)";

/** The folder that a QEMU process works in, which follows when the folder is moved; undefined when the process is gone or no QEMU. */
async function vmmFolder(pid: number): Promise<string | undefined> {
  const argv = await processArguments(pid);
  if (!argv?.[0]?.split("/").at(-1)?.startsWith(QEMU_PROGRAM)) return undefined;
  try {
    const folder = await readlink(`/proc/${pid}/cwd`);
    return folder.endsWith(REMOVED) ? folder.slice(0, -REMOVED.length) : folder;
  } catch {
    return undefined;
  }
}

/** True when the process is a QEMU that works in `folder`, which may be gone. */
export async function worksIn(pid: number, folder: string): Promise<boolean> {
  return (await vmmFolder(pid)) === join(await realFolder(dirname(folder)), basename(folder));
}

/** The QEMU processes whose folders lie in `parent`, with the names of those folders. */
export async function vmmsIn(parent: string): Promise<readonly { readonly pid: number; readonly name: string }[]> {
  const real = await realFolder(parent);
  return (await qemuProcesses()).flatMap(({ pid, folder }) => (dirname(folder) === real ? [{ pid, name: basename(folder) }] : []));
}

/** As the kernel names it, for a path that may lead over symbolic links. */
async function realFolder(path: string): Promise<string> {
  return await realpath(path).catch(() => path);
}

/** All QEMU processes, with the folders they work in. */
async function qemuProcesses(): Promise<readonly { readonly pid: number; readonly folder: string }[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const folder = await vmmFolder(pid);
      return folder === undefined ? [] : [{ pid, folder }];
    }),
  );
  return found.flat();
}
