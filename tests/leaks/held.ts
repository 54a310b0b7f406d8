import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** What a run of tests holds of the host, a line each, so that a difference reads by itself. */
export interface Held {
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly loops: readonly string[];
  readonly sockets: readonly string[];
  readonly descriptors: readonly string[];
  readonly files: readonly string[];
  readonly cgroups: readonly string[];
  readonly taps: readonly string[];
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
};
const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
const target = (link: string): string => {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
};
const pids = () => names("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
const lines = (text: string, mark: string) => text.split("\n").filter((line) => line.includes(mark));

/** As daemons name the folder of their machines' control groups, of each data folder that this file of tests had. */
const instances = new Set<string>();

/** Lets the control groups of a data folder's machines count. */
export function watchGroupsOf(home: string): void {
  instances.add(createHash("sha256").update(home).digest("hex").slice(0, 12));
}

/**
 * All that belongs to the folder `mark`: processes by their environment, arguments, folder or program; mounts, loop devices, sockets and open files by their
 * path; files; control groups by the name of their data folder. Taps carry no path: each one on the host counts unless a process that is not of `mark`
 * holds it.
 */
export function held(mark: string): Held {
  const mine = new Set(pids().filter((pid) => ["environ", "cmdline"].some((file) => read(`/proc/${pid}/${file}`).includes(mark))));
  for (const pid of pids()) if (["cwd", "exe"].some((link) => target(`/proc/${pid}/${link}`).startsWith(mark))) mine.add(pid);
  return {
    processes: [...mine].map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").slice(0, 150)}`),
    mounts: lines(read("/proc/self/mountinfo"), mark),
    loops: names("/sys/block").flatMap((name) => lines(read(`/sys/block/${name}/loop/backing_file`), mark)),
    sockets: lines(read("/proc/net/unix"), mark),
    descriptors: names("/proc/self/fd").flatMap((fd) => lines(target(`/proc/self/fd/${fd}`), mark)),
    files: filesIn(mark),
    cgroups: groups("/sys/fs/cgroup").filter((folder) => folder.split("/").some((part) => instances.has(part))),
    taps: names("/sys/class/net").filter((name) => existsSync(`/sys/class/net/${name}/tun_flags`) && isOurs(mine, holdersOf(name))),
  };
}

/** Each file under `folder` with its bytes. */
export function filesIn(folder: string): string[] {
  return names(folder).flatMap((name) => {
    const path = join(folder, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) return [];
    return stat.isDirectory() ? [path, ...filesIn(path)] : [`${path} ${stat.size}`];
  });
}

function isOurs(mine: ReadonlySet<string>, holders: readonly string[]): boolean {
  return holders.every((pid) => mine.has(pid));
}

function groups(folder: string): string[] {
  const inside = names(folder).map((name) => join(folder, name));
  return inside.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory()).flatMap((path) => [path, ...groups(path)]);
}

/** Processes that hold tap `name` open. */
function holdersOf(name: string): string[] {
  return pids().filter((pid) => {
    const folder = `/proc/${pid}/fd`;
    try {
      return readdirSync(folder).some(
        (fd) => target(join(folder, fd)) === "/dev/net/tun" && read(`/proc/${pid}/fdinfo/${fd}`).includes(`iff:\t${name}\n`),
      );
    } catch {
      return false;
    }
  });
}

/** What process `pid` has open, apart from its clients' connections and the channel of its fork server, which it keeps; paths below `home` without it, sockets and pipes by their kind. */
export function openIn(pid: number, home: string): string[] {
  const named = new Set(lines(read("/proc/net/unix"), realpathSync(home)).map((line) => `socket:[${line.trim().split(/\s+/)[6]}]`));
  const open = names(`/proc/${pid}/fd`)
    .map((fd) => target(`/proc/${pid}/fd/${fd}`))
    .filter((to) => to !== "" && !named.has(to))
    .map((to) => to.replace(home, "").replace(/^(socket|pipe):\[\d+\]$/, "$1"))
    .sort();
  for (const _ of children(pid).filter(isForkServer)) open.splice(open.indexOf("socket"), 1);
  return open;
}

/** Children of `pid` that run now, but its fork server. */
export function childrenOf(pid: number): string[] {
  return children(pid).filter((child) => !isForkServer(child));
}

function children(pid: number): string[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean);
}

function isForkServer(pid: string): boolean {
  return /^qemu-system-x86_64\0-version\0 /.test(read(`/proc/${pid}/cmdline`));
}
