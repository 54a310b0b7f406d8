import type { Readable } from "node:stream";
import type { Volume, VolumeSpec } from "@isthmus/contract";

/** Whose volumes are meant. */
export interface VolumeScope {
  /** There are no volumes but this tenant's; absent: all of the host. */
  readonly tenant?: string;
}

export interface VolumeCallOptions extends VolumeScope {
  /** Gives up (CANCELLED); nothing half-made is left. */
  readonly signal?: AbortSignal;
}

/** What can be done with volumes. A volume is meant by its name: VOLUME_NOT_FOUND. After the daemon's close SHUTTING_DOWN. */
export interface VolumeActions {
  /** An empty one, of the tenant that the spec names, else the host's. Throws INVALID_NAME, VOLUME_EXISTS, VOLUME_NAME_TAKEN (it is none of the scope's), QUOTA_REACHED, NEVER_FITS, DISK_FULL. */
  create(spec: VolumeSpec, scope?: VolumeScope): Promise<Volume>;
  /** By name. */
  list(scope?: VolumeScope): Promise<readonly Volume[]>;
  get(name: string, scope?: VolumeScope): Promise<Volume>;
  /** Throws VOLUME_IN_USE when a machine names it, also one that has ended. */
  remove(name: string, scope?: VolumeScope): Promise<Volume>;
  /** Removes those that no machine names: the anonymous ones, with `all` the others too. */
  prune(options?: VolumeScope & { readonly all?: boolean }): Promise<readonly Volume[]>;
  /** What is in it, as a tar archive with names relative to its root. Throws VOLUME_IN_USE when a machine writes to it, TOO_MANY_REQUESTS. */
  export(name: string, options?: VolumeCallOptions): Promise<Readable>;
  /** A new volume with what is in a tar archive; there whole or not at all. Throws as `create`, BAD_ARCHIVE and TOO_MANY_REQUESTS. */
  import(spec: VolumeSpec, archive: Readable, options?: VolumeCallOptions): Promise<Volume>;
}
