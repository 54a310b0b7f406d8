import type { KernelFiles } from "./kernel-files.ts";

export const controllers = ["cpu", "memory", "io", "pids"] as const;
export type Controller = (typeof controllers)[number];

/** A hierarchy of cgroups as it is mounted. */
export interface Mount {
  readonly version: "v1" | "v2";
  /** folder */
  readonly point: string;
  /** the group that is seen at `point` */
  readonly root: string;
  /** by the names of this version */
  readonly names: readonly string[];
}

/** Name in cgroup v1. */
export function v1Name(controller: Controller): string {
  return controller === "io" ? "blkio" : controller;
}

/** The mounted hierarchies (mountinfo in proc(5), cgroups(7)). */
export function mounts(files: KernelFiles): readonly Mount[] {
  const found: Mount[] = [];
  for (const line of (files.text("/proc/self/mountinfo") ?? "").split("\n")) {
    const [front = "", back = ""] = line.split(" - ");
    const [, , , root = "/", point = ""] = front.split(" ");
    const [type, , options = ""] = back.split(" ");
    if (type === "cgroup2") {
      const offered = (files.text(`${point}/cgroup.controllers`) ?? "").trim().split(/\s+/);
      found.push({ version: "v2", point, root, names: offered });
    }
    if (type === "cgroup") found.push({ version: "v1", point, root, names: options.split(",") });
  }
  return found;
}

/** The daemon's own group in a hierarchy, as a path below its mount; undefined when the mount does not show it. */
export function ownGroup(files: KernelFiles, mount: Mount): string | undefined {
  for (const line of (files.text("/proc/self/cgroup") ?? "").split("\n")) {
    const [, names = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const here =
      mount.version === "v2" ? line.startsWith("0::") : names !== "" && names.split(",").every((name) => mount.names.includes(name));
    if (!here) continue;
    if (mount.root === "/") return path;
    return path === mount.root || path.startsWith(`${mount.root}/`) ? path.slice(mount.root.length) || "/" : undefined;
  }
  return undefined;
}

/** The hierarchy that has a controller: its older form where it is mounted so. */
export function mountOf(all: readonly Mount[], controller: Controller): Mount | undefined {
  return (
    all.find(({ version, names }) => version === "v1" && names.includes(v1Name(controller))) ??
    all.find(({ version, names }) => version === "v2" && names.includes(controller))
  );
}
