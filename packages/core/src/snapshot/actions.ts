import type { Snapshot } from "@isthmus/contract";

/** What can be done with snapshots. `ref` is an id, a name or a prefix of an id (4 characters at least): SNAPSHOT_NOT_FOUND. After the daemon's close SHUTTING_DOWN. */
export interface SnapshotActions {
  /**
   * Memory, devices and disk of a running machine at one moment; the machine goes on, and so do sessions with it. Resolves when all of it is durable. Throws
   * MACHINE_NOT_FOUND, STATE_CONFLICT, INVALID_NAME, SNAPSHOT_NAME_TAKEN, CAPTURE_FAILED, DISK_FULL, CANCELLED.
   */
  create(machine: string, options?: { readonly name?: string; readonly signal?: AbortSignal }): Promise<Snapshot>;
  /** Newest first. */
  list(): Promise<readonly Snapshot[]>;
  get(ref: string): Promise<Snapshot>;
  /** Machines that were cloned from it go on. */
  remove(ref: string): Promise<Snapshot>;
}
