import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { limits } from "@isthmus/contract";
import { DAEMON_LEAF, GROUP_FOLDER, WEIGHT_DEFAULT } from "./config.ts";
import type { KernelFiles } from "./kernel-files.ts";
import { type Controller, controllers, type Mount, mountOf, mounts, ownGroup } from "./mounts.ts";
import { weights } from "./settings.ts";

/** Where the groups of one data folder's machines are, in one hierarchy. */
export interface Place {
  readonly version: "v1" | "v2";
  /** folder of all of them */
  readonly base: string;
  readonly controllers: readonly Controller[];
}

export interface Places {
  readonly places: readonly Place[];
  /** controllers that cannot be used, and why */
  readonly missing: readonly string[];
}

export interface PlacesOptions {
  readonly files: KernelFiles;
  /** tells the groups of one data folder from another's */
  readonly instance: string;
  /** group below which ours are made; by default the top, and the daemon's own where that cannot be written */
  readonly parent?: string;
  /** of the daemon */
  readonly pid: number;
}

interface Outcome {
  readonly place?: Place;
  readonly reasons: readonly string[];
}

/** Makes the folders that groups are made in. */
export function findPlaces(options: PlacesOptions): Places {
  const all = mounts(options.files);
  const byMount = new Map<Mount, Controller[]>();
  const missing: string[] = [];
  for (const controller of controllers) {
    const mount = mountOf(all, controller);
    if (mount === undefined) missing.push(`${controller}: this host has no such cgroup controller`);
    else byMount.set(mount, [...(byMount.get(mount) ?? []), controller]);
  }
  const places: Place[] = [];
  for (const [mount, names] of byMount) {
    const { place, reasons } = placeIn(mount, names, options);
    if (place !== undefined) places.push(place);
    missing.push(...reasons);
  }
  return { places, missing };
}

function placeIn(mount: Mount, names: readonly Controller[], options: PlacesOptions): Outcome {
  const parents = options.parent === undefined ? ["/", ownGroup(options.files, mount)] : [options.parent];
  let reasons: readonly string[] = [];
  for (const parent of parents) {
    if (parent === undefined) continue;
    const outcome = placeBelow(mount, parent, names, options);
    if (outcome.place !== undefined) return outcome;
    reasons = outcome.reasons;
  }
  return { reasons };
}

function placeBelow(mount: Mount, parent: string, names: readonly Controller[], options: PlacesOptions): Outcome {
  const { files, instance } = options;
  const base = join(mount.point, parent, GROUP_FOLDER, instance);
  const none = (reason: string) => ({ reasons: names.map((name) => `${name}: ${reason}`) });
  const failed = files.makeFolder(base);
  if (failed !== undefined) return none(failed);
  if (mount.version === "v1") {
    if (names.includes("cpu")) giveWeight(files, "v1", base);
    return { place: { version: mount.version, base, controllers: names }, reasons: [] };
  }
  const usable = names.map((name) => ({ name, reason: enable(name, mount.point, base, options) }));
  const enabled = usable.flatMap(({ name, reason }) => (reason === undefined ? [name] : []));
  const reasons = usable.flatMap(({ name, reason }) => (reason === undefined ? [] : [`${name}: ${reason}`]));
  if (enabled.includes("cpu")) giveWeight(files, "v2", base);
  return enabled.length === 0 ? { reasons } : { place: { version: mount.version, base, controllers: enabled }, reasons };
}

/** The kernel weighs a group as one process, however many are in it: ours is to have as much as one for each processor of the host. */
function giveWeight(files: KernelFiles, version: "v1" | "v2", base: string): void {
  const cpuWeight = Math.min(limits.weight, WEIGHT_DEFAULT * availableParallelism());
  const setting = weights(version, { cpuWeight }).find(({ field }) => field === "cpuWeight");
  for (const folder of [dirname(base), base]) files.write(join(folder, setting?.files[0] ?? ""), setting?.value ?? "");
}

/** Gives a controller of v2 to the groups in `base`: each group on the way must pass it on. Why it could not be done. */
function enable(name: Controller, top: string, base: string, { files, pid }: PlacesOptions): string | undefined {
  const steps = base
    .slice(top.length)
    .split("/")
    .filter((step) => step !== "");
  for (let depth = 0; depth <= steps.length; depth += 1) {
    const folder = join(top, ...steps.slice(0, depth));
    const control = join(folder, "cgroup.subtree_control");
    const given = () => (files.text(control) ?? "").split(/\s+/).includes(name);
    if (given()) continue;
    const failed = files.write(control, `+${name}`);
    // A group with processes of its own passes nothing on.
    if (failed?.endsWith("EBUSY") && stepAside(files, folder, pid) && files.write(control, `+${name}`) === undefined) continue;
    if (failed !== undefined) return failed;
  }
  return undefined;
}

/** Moves the daemon to a leaf of its group, if nobody else is there. */
function stepAside(files: KernelFiles, folder: string, pid: number): boolean {
  const inside = (files.text(join(folder, "cgroup.procs")) ?? "").trim().split(/\s+/);
  if (inside.length !== 1 || inside[0] !== String(pid)) return false;
  const leaf = join(folder, DAEMON_LEAF);
  return files.makeFolder(leaf) === undefined && files.write(join(leaf, "cgroup.procs"), pid) === undefined;
}
