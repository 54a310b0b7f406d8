import type { Readable } from "node:stream";
import type { Volume, VolumeSpec } from "@isthmus/contract";

export interface VolumeCallOptions {
  /** Gives up (CANCELLED); nothing half-made is left. */
  readonly signal?: AbortSignal;
}

/** What can be done with volumes. A volume is meant by its name: VOLUME_NOT_FOUND. After the daemon's close SHUTTING_DOWN. */
export interface VolumeActions {
  /** An empty one. Throws INVALID_NAME, VOLUME_EXISTS, DISK_FULL. */
  create(spec: VolumeSpec): Promise<Volume>;
  /** By name. */
  list(): Promise<readonly Volume[]>;
  get(name: string): Promise<Volume>;
  /** Throws VOLUME_IN_USE when a machine names it, also one that has ended. */
  remove(name: string): Promise<Volume>;
  /** Removes those that no machine names: the anonymous ones, with `all` the others too. */
  prune(options?: { readonly all?: boolean }): Promise<readonly Volume[]>;
  /** What is in it, as a tar archive with names relative to its root. Throws VOLUME_IN_USE when a machine writes to it. */
  export(name: string, options?: VolumeCallOptions): Promise<Readable>;
  /** A new volume with what is in a tar archive; there whole or not at all. Throws as `create`, and BAD_ARCHIVE. */
  import(spec: VolumeSpec, archive: Readable, options?: VolumeCallOptions): Promise<Volume>;
}
