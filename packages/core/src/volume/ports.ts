/** A volume as it is kept. */
export interface StoredVolume {
  readonly name: string;
  readonly sizeBytes: number;
  readonly anonymous: boolean;
  /** absent: it is the host's, as all were before tenants had any */
  readonly tenant?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: string;
  /** nothing was written to it yet: the first machine to mount it copies into it what its image has at that path */
  readonly blank?: true;
  /** id of the machine that it goes with: without that machine it is a leftover */
  readonly goesWith?: string;
}

/** The files of volumes. A volume appears in them whole or not at all. */
export interface VolumeFolders {
  /** What there is; what an earlier daemon left half-made or half-removed goes. */
  load(): Promise<readonly StoredVolume[]>;
  /** Makes an empty file system of its size; durable when it resolves. The name must be free. Throws DISK_FULL, HOST_COMMAND_FAILED, ENGINE_MISSING. */
  create(volume: StoredVolume): Promise<void>;
  /** Writes down what has changed about it. Throws DISK_FULL. */
  update(volume: StoredVolume): Promise<void>;
  /** Its name is free when it resolves. A no-op when it is gone. */
  remove(name: string): Promise<void>;
  diskPath(name: string): string;
  /** on the host */
  usedBytes(name: string): Promise<number>;
}

/** The paths of this host that machines may be given. */
export interface HostPaths {
  /** The path without links, which is what a machine gets. `remote`: asked for by somebody who is not the owner of the daemon's socket. Throws HOST_PATH_REFUSED. */
  resolve(path: string, remote: boolean): Promise<string>;
  /** False also when it is gone. */
  isFile(path: string): boolean;
}

/** A folder of the host that a machine mounts. */
export interface PlannedShare {
  /** in the machine */
  readonly path: string;
  /** on the host */
  readonly folder: string;
  /** present when only this file of the folder is mounted */
  readonly file?: string;
  readonly readOnly: boolean;
}

/** A volume that a machine mounts. */
export interface PlannedVolume {
  /** in the machine */
  readonly path: string;
  /** ext4, raw */
  readonly diskPath: string;
  /** present for one that is only read: takes what the guest's file system writes all the same, such as a journal that is played back */
  readonly overlayPath?: string;
  /** present for one that nothing was written to yet: it gets what the image has at its path, and then this is called, before the workload is started */
  readonly filled?: () => Promise<void>;
}
