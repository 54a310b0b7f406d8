import type { MachineUse, Priority, Resources } from "@isthmus/contract";

/** Weights among engine processes; 100 each when nobody says. */
export type Weights = Pick<Resources, "cpuWeight" | "ioWeight">;

/** A new group, for a process that enters by itself. */
export interface GroupEntry {
  /** to each of which the process writes `0` while it is one thread */
  readonly files: readonly string[];
  /** The process is there; `refused` has, for each of `files`, why it did not take the process. */
  entered(pid: number, refused: readonly (string | undefined)[]): void;
  /** There is no process. */
  discard(): void;
}

/**
 * A group of its own for each engine process, with weights and limits. Each call is a few short writes to files of the kernel. What this host cannot do is
 * left out and told; no call throws for it.
 */
export interface MachineGroups {
  /** What machines on this host have no limits for, and why; empty when everything can be limited. */
  readonly shortcomings: readonly string[];
  /** A group for a process that will be there before it does anything else. */
  open(name: string): GroupEntry;
  /** Puts a process that was just spawned into a new group; synchronous, so that nothing of it runs outside for longer than that takes. */
  enter(name: string, pid: number): void;
  /** Sets weights and limits of a process's group; weights that are absent become 100, limits that only `former` has are taken away. Returns what could not be done, for the machine's notes. */
  limit(pid: number, resources: Resources, former?: Resources): readonly string[];
  /** Sets weights alone. */
  weigh(pid: number, weights: Weights): void;
  /** Memory charged to the group; undefined when it has none that is counted. Bytes. */
  memoryBytes(pid: number): number | undefined;
  /** Has the kernel take back memory of the process that it does not need at once: about `bytes` at most. Returns how much there is less. Never ends a process. */
  reclaim(pid: number, bytes: number): Promise<number>;
  /** The process has ended: its group goes. */
  leave(pid: number): void;
  /** Removes the groups of this data folder that hold no process. Returns how many. */
  sweep(): number;
  /** As `sweep`, and settles when the kernel has let go of the groups of all processes that have ended, or a second later. */
  settled(): Promise<void>;
}

/** A machine that has an engine process, as the policy of contention sees it. */
export interface ContendingMachine {
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  readonly state: "running" | "paused" | "stopping";
  readonly priority: Priority;
  readonly evictable: boolean;
  readonly resources: Resources;
  /** execs, attached clients and copies under way */
  readonly sessions: number;
}

/** Measures what machines cost their host, since it was last asked. */
export interface MachineMeter {
  /** Machines whose process is gone are left out. */
  measure(machines: readonly { readonly id: string; readonly name: string; readonly pid: number }[]): Promise<readonly MachineUse[]>;
}
