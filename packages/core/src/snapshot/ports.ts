import type { Snapshot } from "@isthmus/contract";
import type { Workload } from "../machine/ports.ts";
import type { CaptureFacts } from "./saved.ts";

/** A snapshot with all that machines cloned from it need. */
export interface SnapshotRecord {
  readonly snapshot: Snapshot;
  readonly facts: CaptureFacts;
  readonly argv: readonly string[];
  readonly workload: Workload;
  readonly rootfsPath: string;
  readonly stopSignal: number;
}

/** The folders of snapshots. A snapshot appears in them whole or not at all. */
export interface SnapshotFolders {
  folder(id: string): string;
  /** the disk in a snapshot's folder, there unless the machine's root was read-only */
  diskIn(folder: string): string;
  /** What there is; what an earlier daemon left half-made is removed. */
  load(): Promise<readonly SnapshotRecord[]>;
  /** A new, empty folder to take a snapshot in. Throws DISK_FULL. */
  begin(): Promise<string>;
  /** The folder that `begin` gave becomes the snapshot's; durable when it resolves. Throws DISK_FULL. */
  commit(folder: string, record: SnapshotRecord): Promise<void>;
  discard(folder: string): Promise<void>;
  /** A no-op when it is gone. Clones that run keep what they have mapped. */
  remove(id: string): Promise<void>;
}
