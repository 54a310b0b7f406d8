import { join } from "node:path";
import type { Finding } from "@isthmus/contract";
import { type CgroupMounts, cgroupMounts } from "./cgroup.ts";
import { flaw, ok } from "./finding.ts";
import type { Surroundings } from "./surroundings.ts";

/** What limits on machines need. */
const needed = ["cpu", "memory", "io", "pids"] as const;
type Controller = (typeof needed)[number];

/** Which controllers the daemon itself could use in its own group, and why not the others. */
export async function cgroupUse(host: Surroundings, shortcomings?: readonly string[]): Promise<Finding> {
  if (shortcomings !== undefined) return found(shortcomings);
  const mounts = await cgroupMounts(host);
  const groups = parseGroups((await host.text("/proc/self/cgroup")) ?? "");
  const reasons = await Promise.all(needed.map(async (name) => ({ name, reason: await obstacle(host, name, mounts, groups) })));
  const missing = reasons.filter(({ reason }) => reason !== undefined);
  const usable = reasons.filter(({ reason }) => reason === undefined).map(({ name }) => name);
  const detail = [`usable: ${usable.join(" ") || "none"}`, ...missing.map(({ name, reason }) => `${name}: ${reason}`)].join("; ");
  if (missing.length === 0) return ok("cgroup-use", "the daemon can limit machines by cgroups", detail);
  return flaw("warning", "cgroup-use", "some cgroup controllers cannot be used", detail, REMEDY);
}

const REMEDY =
  "Run the daemon as root, or as a systemd service with Delegate=yes; in a container, mount /sys/fs/cgroup writable. Machines run without host-side limits until then.";

/** What the daemon met with when it made the groups itself. */
function found(shortcomings: readonly string[]): Finding {
  if (shortcomings.length === 0) return ok("cgroup-use", "each machine has a group of its own", "cpu, memory, io and pids can be limited");
  return flaw("warning", "cgroup-use", "machines cannot be limited in every way", shortcomings.join("; "), REMEDY);
}

/** The group of each controller; the one of v2 under "". */
function parseGroups(text: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names !== undefined && path !== undefined) for (const name of names.split(",")) groups.set(name, path);
  }
  return groups;
}

async function obstacle(
  host: Surroundings,
  name: Controller,
  mounts: CgroupMounts,
  groups: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const old = mounts.v1.get(name === "io" ? "blkio" : name);
  if (old !== undefined)
    return await unwritable(host, await folderOf(host, old, groups.get(name === "io" ? "blkio" : name)), "cgroup.procs");
  if (mounts.v2 === undefined) return "it is not mounted";
  const own = await folderOf(host, mounts.v2, groups.get(""));
  const offered = ((await host.text(join(own, "cgroup.controllers"))) ?? "").trim().split(/\s+/);
  if (!offered.includes(name)) return `it is not given to ${own}`;
  return (await unwritable(host, own, "cgroup.subtree_control")) ?? (await unwritable(host, own, "cgroup.procs"));
}

/** A group's folder; the mount itself where a namespace hides the way to it. */
async function folderOf(host: Surroundings, mount: string, group = "/"): Promise<string> {
  const folder = join(mount, group);
  return (await host.exists(folder)) ? folder : mount;
}

async function unwritable(host: Surroundings, folder: string, file: string): Promise<string | undefined> {
  return (await host.writable(join(folder, file))) ? undefined : `${join(folder, file)} cannot be written`;
}
