import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Resources } from "@isthmus/contract";
import type { GroupEntry, MachineGroups, Weights } from "@isthmus/core";
import { GROUP_FOLDER, REMOVE_RETRY_MS, REMOVE_TRIES } from "./config.ts";
import { KernelFiles } from "./kernel-files.ts";
import { findPlaces, type Place } from "./places.ts";
import { reclaim } from "./reclaim.ts";
import { type Setting, settings, unlimited, weights } from "./settings.ts";

export interface GroupsOptions {
  /** data folder: another one's groups are never touched */
  readonly home: string;
  /** group to make ours below, as a path from the top */
  readonly parent?: string;
  /** false: engine processes stay in the daemon's group */
  readonly enabled?: boolean;
  readonly files?: KernelFiles;
  /** of the daemon */
  readonly pid?: number;
}

const INSTANCE_CHARS = 12;
const PROCESSES = "cgroup.procs";
/**
 * What a process of one thread enters by. To move a whole process the kernel waits until no thread of the host is being made (8 ms here), to move the thread that asks it does not
 * (cgroup_procs_write_start in kernel/cgroup/cgroup.c, since 5.6); groups of v2 take whole processes only.
 */
const OWN_ENTRANCE = { v1: "tasks", v2: PROCESSES } as const;

/** Groups in whatever form of cgroups this host has: v2, v1, or both at once. */
export function createGroups(options: GroupsOptions): MachineGroups {
  const { home, parent, enabled = true, files = new KernelFiles(), pid = process.pid } = options;
  const instance = createHash("sha256").update(home).digest("hex").slice(0, INSTANCE_CHARS);
  if (!enabled) return new Groups(files, instance, [], ["cpu, memory, io, pids: groups are switched off (ISTHMUS_CGROUP=off)"]);
  const find = () => findPlaces({ files, instance, parent, pid });
  const { places, missing } = find();
  return new Groups(files, instance, places, missing, find);
}

class Groups implements MachineGroups {
  readonly shortcomings: readonly string[];
  readonly #files: KernelFiles;
  readonly #places: readonly Place[];
  readonly #instance: string;
  readonly #remake: () => unknown;
  /** name of each process's group */
  readonly #names = new Map<number, string>();
  /** groups that did not take their process, and why */
  readonly #refused = new Map<string, string>();
  /** names of groups whose process is not there yet: they are empty, and no leftovers */
  readonly #awaited = new Set<string>();

  constructor(
    files: KernelFiles,
    instance: string,
    places: readonly Place[],
    shortcomings: readonly string[],
    remake: () => unknown = () => undefined,
  ) {
    this.#files = files;
    this.#instance = instance;
    this.#remake = remake;
    this.#places = places;
    this.shortcomings = shortcomings;
  }

  open(name: string): GroupEntry {
    // They go with the last group, so that a daemon that dies leaves none behind.
    if (this.#places.some(({ base }) => !this.#files.exists(base))) this.#remake();
    const folders = this.#places.map(({ base }) => join(base, name));
    const unmade = folders.map((folder) => this.#files.makeFolder(folder));
    this.#awaited.add(name);
    return {
      files: this.#places.map(({ base, version }) => join(base, name, OWN_ENTRANCE[version])),
      entered: (pid, refused) => {
        for (const [index, folder] of folders.entries()) {
          const reason = unmade[index] ?? refused[index];
          if (reason !== undefined) this.#refused.set(folder, reason);
        }
        this.#awaited.delete(name);
        this.#names.set(pid, name);
      },
      discard: () => {
        this.#awaited.delete(name);
        this.#remove(name);
      },
    };
  }

  enter(name: string, pid: number): void {
    const { entered } = this.open(name);
    entered(
      pid,
      this.#places.map(({ base }) => this.#files.write(join(base, name, PROCESSES), pid)),
    );
  }

  limit(pid: number, resources: Resources, former: Resources = {}): readonly string[] {
    const wanted = { ...resources, ...unlimited(resources, former) };
    const failures = this.#apply(pid, (place) => settings(place.version, wanted));
    const reasons = [...failures].flatMap(([field, reason]) => (wanted[field] === undefined ? [] : [`${field} has no effect: ${reason}`]));
    if (resources.ioWeight !== undefined && !failures.has("ioWeight") && !this.#disksMindWeights()) {
      reasons.push("ioWeight has no effect: no disk of this host has the scheduler bfq");
    }
    return reasons;
  }

  weigh(pid: number, wanted: Weights): void {
    this.#apply(pid, (place) => weights(place.version, wanted));
  }

  memoryBytes(pid: number): number | undefined {
    const group = this.#file(pid, "memory");
    if (group === undefined) return undefined;
    const text = this.#files.text(join(group.folder, group.version === "v2" ? "memory.current" : "memory.usage_in_bytes"));
    return text === undefined ? undefined : Number(text);
  }

  async reclaim(pid: number, bytes: number): Promise<number> {
    const group = this.#file(pid, "memory");
    return group === undefined ? 0 : await reclaim(this.#files, group, bytes);
  }

  leave(pid: number): void {
    const name = this.#names.get(pid);
    this.#names.delete(pid);
    if (name !== undefined) this.#remove(name);
  }

  sweep(): number {
    const removed = new Set<string>();
    for (const { base } of this.#places) {
      // The kernel itself refuses to remove a group that has a process.
      for (const name of this.#files.folders(base))
        if (!this.#awaited.has(name) && this.#files.removeFolder(join(base, name))) removed.add(name);
    }
    this.#clear();
    return removed.size;
  }

  async settled(): Promise<void> {
    for (let tries = REMOVE_TRIES; tries > 0; tries--) {
      this.sweep();
      if (!this.#places.some(({ base }) => this.#files.folders(base).some((name) => this.#isOver(base, name)))) return;
      await sleep(REMOVE_RETRY_MS);
    }
  }

  /** A process that has ended may have threads that are still ending, and its memory with them: the kernel lets its group go a moment later. */
  #remove(name: string, tries = REMOVE_TRIES): void {
    const folders = this.#places.map(({ base }) => join(base, name));
    for (const folder of folders) {
      this.#refused.delete(folder);
      this.#files.removeFolder(folder);
    }
    this.#clear();
    if (tries <= 1 || !folders.some((folder) => this.#files.exists(folder))) return;
    const again = () => {
      if (!this.#awaited.has(name)) this.#remove(name, tries - 1);
    };
    setTimeout(again, REMOVE_RETRY_MS).unref();
  }

  /** True of a group that was used, and that nothing runs in any more, though the kernel may still hold it. */
  #isOver(base: string, name: string): boolean {
    const pids = this.#files.text(join(base, name, PROCESSES));
    return pids !== undefined && !this.#awaited.has(name) && pids.split("\n").every((pid) => pid === "" || this.#hasEnded(pid));
  }

  /** True of zombies too: their threads and memory may be going yet. */
  #hasEnded(pid: string): boolean {
    const stat = this.#files.text(`/proc/${pid}/stat`);
    return stat === undefined || /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  }

  /** Removes the folders of all groups when they are empty. */
  #clear(): void {
    for (const { base } of this.#places) if (this.#files.removeFolder(base)) this.#files.removeFolder(dirname(base));
  }

  /** What failed, by field. Controllers that are missing count for what they would have done. */
  #apply(pid: number, wanted: (place: Pick<Place, "version">) => readonly Setting[]): ReadonlyMap<keyof Resources, string> {
    const failures = new Map<keyof Resources, string>();
    const name = this.#nameOf(pid);
    for (const { field, controller } of wanted({ version: "v2" })) {
      if (this.#places.every(({ controllers }) => !controllers.includes(controller))) {
        failures.set(field, this.shortcomings.find((one) => one.startsWith(controller)) ?? this.shortcomings.join("; "));
      } else if (name === undefined) failures.set(field, "its process is in no group of ours");
    }
    if (name === undefined) return failures;
    for (const place of this.#places) {
      for (const setting of wanted(place)) {
        if (!place.controllers.includes(setting.controller)) continue;
        const folder = join(place.base, name);
        const reason = this.#refused.get(folder) ?? this.#set(folder, setting);
        if (reason !== undefined) failures.set(setting.field, reason);
      }
    }
    return failures;
  }

  /** Weights are the scheduler's affair, and only one has them. */
  #disksMindWeights(): boolean {
    return this.#files.entries("/sys/block").some((disk) => this.#files.text(`/sys/block/${disk}/queue/scheduler`)?.includes("[bfq]"));
  }

  #set(folder: string, { files, value }: Setting): string | undefined {
    const file = files.find((one) => this.#files.exists(join(folder, one)));
    return file === undefined ? `there is no ${files[0]}` : this.#files.write(join(folder, file), value);
  }

  #file(pid: number, controller: "memory"): { readonly version: "v1" | "v2"; readonly folder: string } | undefined {
    const name = this.#nameOf(pid);
    const place = this.#places.find(({ controllers }) => controllers.includes(controller));
    return name === undefined || place === undefined ? undefined : { version: place.version, folder: join(place.base, name) };
  }

  /** Of a process that an earlier daemon spawned, the kernel tells. */
  #nameOf(pid: number): string | undefined {
    const known = this.#names.get(pid);
    if (known !== undefined) return known;
    const groups = (this.#files.text(`/proc/${pid}/cgroup`) ?? "").split("\n").map((line) => line.split("/").slice(-3));
    const name = groups.find(([folder, instance]) => folder === GROUP_FOLDER && instance === this.#instance)?.[2];
    if (name !== undefined) this.#names.set(pid, name);
    return name;
  }
}
