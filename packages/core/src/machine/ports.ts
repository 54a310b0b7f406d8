import type { Readable } from "node:stream";
import type {
  Accelerator,
  ExecSpec,
  FileChange,
  Isolation,
  MachineExit,
  MachineProcess,
  MachineSpec,
  MachineStats,
  PublishedPort,
  Resources,
} from "@isthmus/contract";
import type { ImageStore } from "../image/ports.ts";
import type { Nic, NicPlace } from "../network/ports.ts";
import type { Delivery } from "../secret/ports.ts";
import type { CaptureFacts, CapturePlan, SavedGuest, SavedParts } from "../snapshot/saved.ts";
import type { ClonePlace, GuestShape, Making, PreparedPlace, TemplateFacts, TemplateShape } from "../template/shape.ts";
import type { PlannedShare, PlannedVolume } from "../volume/ports.ts";
import type { Workload } from "./store-ports.ts";

/** Everything an engine needs to make one machine; all paths are absolute, all values are decided. */
export interface StartPlan {
  readonly id: string;
  readonly name: string;
  /** the machine's own folder; the engine writes nowhere else */
  readonly folder: string;
  /** short folder for Unix sockets (their paths are limited to 107 bytes) */
  readonly socketFolder: string;
  readonly rootfsPath: string;
  /** writable ext4 disk; absent for a read-only root */
  readonly diskPath?: string;
  readonly diskBytes?: number;
  /** `qcow2` for the disk of a machine that was cloned from a snapshot: what differs from the snapshot's; default raw */
  readonly diskFormat?: "raw" | "qcow2";
  /** file that the VMM appends output records to */
  readonly outputPath: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly network: "none" | "user" | "bridge";
  /** of network `bridge`: where its device goes; absent for a guest that is nobody's yet */
  readonly nic?: Nic;
  /** of network `user`: only published ports go through */
  readonly sealed?: true;
  readonly ports: readonly PublishedPort[];
  readonly hostname: string;
  readonly tmpfs: readonly { readonly path: string; readonly sizeBytes?: number }[];
  readonly volumes: readonly PlannedVolume[];
  readonly shares: readonly PlannedShare[];
  readonly workload: Workload;
  /** true: only a look at its files; the workload is not started */
  readonly visit?: true;
  readonly resources?: Resources;
  /** asked for when the workload starts, so that values are in memory no longer than they must */
  readonly secrets?: () => Delivery;
}

/** A driver that makes machines of one isolation class. Failed starts leave nothing behind and throw the first cause. */
export interface Engine {
  readonly name: string;
  readonly isolation: Isolation;
  /**
   * Spawns, waits until the guest answered and its workload was started. `template` is the folder of a template to clone from instead of booting. Throws
   * START_FAILED, START_TIMEOUT, ENGINE_MISSING, NO_ACCELERATOR, KERNEL_NOT_FOUND, PORT_TAKEN, TEMPLATE_FAILED.
   */
  start(plan: StartPlan, signal: AbortSignal, template?: string): Promise<LiveMachine>;
  /** Throws INVALID_REQUEST for less memory than a guest is known to need to boot here. Absent: that is not known. */
  checkMemory?(shape: { readonly cpus: number; readonly memoryBytes: number }): Promise<void>;
  /** absent: machines of this engine always boot */
  readonly cloning?: Cloning;
  /** absent: machines of this engine cannot be saved and gone on with */
  readonly saving?: Saving;
  /**
   * Takes up a machine that an earlier daemon started in `folder`: checks pid and start time, reconnects, and finishes a start that was cut short.
   * `before` is called ahead of a saved guest's going on, as that of `SavedGuest`. Undefined when its process is gone (or is another's): nothing of it runs then, and leftovers such as sockets are cleared away.
   */
  adopt(plan: StartPlan, signal: AbortSignal, before?: () => Promise<void>): Promise<LiveMachine | undefined>;
  /** Engine processes on this host whose machine folder is under `machinesFolder`: for finding orphans. */
  processes(machinesFolder: string): Promise<readonly { readonly pid: number; readonly machineId: string }[]>;
  /** Ends the process of a machine that no record knows; a no-op when it is gone. Never touches a pid whose command line does not name the folder. */
  reap(pid: number, folder: string): Promise<void>;
}

/** What an engine that can clone offers. */
export interface Cloning {
  /** Throws what `start` throws when it does not know what to boot with. */
  shape(shape: GuestShape): Promise<TemplateShape>;
  /** Boots a guest of this shape and saves it in `place.folder`, which exists and is empty. Throws TEMPLATE_FAILED, DISK_FULL, CANCELLED. */
  make(shape: GuestShape, place: Making, signal: AbortSignal): Promise<TemplateFacts>;
  /** A process with the state of the template in `template`, waiting. Throws TEMPLATE_FAILED, CANCELLED. */
  prepare(shape: GuestShape, template: string, place: PreparedPlace, signal: AbortSignal): Promise<PreparedClone>;
  /** A process with that state whose forks are clones; undefined where there can be none. Throws as `prepare`. */
  zygote?(shape: GuestShape, template: string, place: PreparedPlace, signal: AbortSignal): Promise<Zygote | undefined>;
}

/** A guest that stands still in a process that is forked for each clone: what it has in memory is theirs too, until they write to it. */
export interface Zygote {
  /** Settles when its process is gone; never rejects. */
  readonly ended: Promise<unknown>;
  /** another one should take its place */
  readonly stale: boolean;
  /** A clone in the folders of `place`, where a copy of its disk is made, if it has one. Throws TEMPLATE_FAILED, DISK_FULL. */
  fork(place: ClonePlace): Promise<PreparedClone>;
  end(): Promise<void>;
}

/** What an engine that can save guests offers beside `LiveMachine.capture`. */
export interface Saving {
  /** Why a guest with these parts cannot go on here; undefined when it can. */
  refusal(parts: SavedParts): Promise<string | undefined>;
  /** A machine in the folders of `plan` that goes on from a saved guest. Throws SNAPSHOT_UNUSABLE and what `Engine.start` throws; nothing of it is left then. */
  restore(plan: StartPlan, saved: SavedGuest, signal: AbortSignal): Promise<LiveMachine>;
}

/** A clone that has its template's state and waits for an identity. */
export interface PreparedClone {
  /** Settles when its process is gone; never rejects. */
  readonly ended: Promise<unknown>;
  /** Does what can be done ahead, when it has to wait. Throws TEMPLATE_FAILED, CANCELLED; nothing is left then. */
  practise?(signal: AbortSignal): Promise<void>;
  /** Lets it go on and gives it the identity of `plan`, which its `start` waits for: the guest is at that while the host sees to the rest. */
  wake(plan: StartPlan): void;
  /** Gives it the identity and workload of `plan`, whose folders are the ones it was prepared in, moved. Throws like `Engine.start`; nothing is left then. */
  start(plan: StartPlan, signal: AbortSignal): Promise<LiveMachine>;
  /** Ends it. */
  end(): Promise<void>;
}

export interface LiveMachine {
  readonly pid: number;
  readonly accelerator: Accelerator;
  /** as really published */
  readonly ports: readonly PublishedPort[];
  /** what was done differently from what was asked */
  readonly notes: readonly string[];
  /** ms per step of this start: spawn, greeting, configure, workload … */
  readonly timings: Readonly<Record<string, number>>;
  /** Settles when the engine process is gone; never rejects. The exit itself is the last record of the output file. */
  readonly ended: Promise<EngineEnd>;
  readonly paused: boolean;
  exec(spec: ExecSpec, defaults: Workload): Promise<GuestStream>;
  /** The workload's stdin. Throws NOT_INTERACTIVE. Output is read from the output file. */
  attach(): Promise<WorkloadInput>;
  signalWorkload(signal: number): Promise<void>;
  /** Orderly stop: the signal to the workload, SIGKILL after `timeoutMs`, power off. Resolves when the request was taken. */
  shutdown(signal: number, timeoutMs: number): Promise<void>;
  /** Ends the engine process at once. */
  kill(): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  /** Sets the limits of its process and disks to these, from `former` ones, while it runs. Returns what could not be done. */
  limit(limits: Resources, former: Resources): Promise<readonly string[]>;
  /** The guest sees its network device without a link. It need not answer. Throws HOST_COMMAND_FAILED, AGENT_UNREACHABLE. */
  unplug(): Promise<void>;
  /** The guest sees its device with a link, and has this place from here on instead of any before. Throws HOST_COMMAND_FAILED, AGENT_UNREACHABLE, AGENT_REFUSED. */
  plug(place: NicPlace): Promise<void>;
  /** Saves the guest as it is at one moment. Throws CAPTURE_FAILED, DISK_FULL, CANCELLED, AGENT_UNREACHABLE: the guest goes on then. */
  capture(plan: CapturePlan, signal: AbortSignal): Promise<CaptureFacts>;
  /** Processor time of the engine process, and TCP connections that are open on its published ports. */
  activity(): Promise<{ readonly cpuMs: number; readonly connections: number }>;
  stats(): Promise<GuestStats>;
  processes(): Promise<readonly MachineProcess[]>;
  /** What its disk says that its image does not, in the order of the paths. */
  changes(): Promise<readonly FileChange[]>;
  /** tar into folder `path`, which with `fill` gets owner and mode of the archive's root. Throws PATH_NOT_FOUND, BAD_ARCHIVE. */
  putArchive(path: string, archive: Readable, options?: { readonly signal?: AbortSignal; readonly fill?: boolean }): Promise<void>;
  /** tar of `path`. Throws PATH_NOT_FOUND. */
  getArchive(path: string, signal?: AbortSignal): Promise<Readable>;
  statPath(path: string): Promise<PathStat>;
  /** Lets go of sockets without touching the machine: the daemon is stopping. */
  release(): void;
  /** Removes what only the engine process needed, which is gone. A start does so too, but then somebody waits. */
  clear(): Promise<void>;
}

export interface EngineEnd {
  /** exit status of the engine process when it is known (own child), for the failure text */
  readonly status?: string;
}

export type GuestStats = Omit<MachineStats, "id" | "name" | "time">;

export interface PathStat {
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  readonly mode: number;
  readonly target?: string;
}

export interface WorkloadInput {
  /** Resolves when the guest has taken the bytes (back-pressure). */
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  signal(signal: number): Promise<void>;
  /** Lets go without ending the input. */
  close(): void;
}

/** One exec: input as above, output as streams that push back on the guest, then its exit. */
export interface GuestStream extends WorkloadInput {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Rejects with AGENT_UNREACHABLE when the session is lost. */
  readonly exit: Promise<{ readonly code: number; readonly signal?: number }>;
}

export interface OutputRecord {
  readonly kind: "stdout" | "stderr" | "exit" | "dropped" | "start";
  /** ns since 1970 */
  readonly timeNs: bigint;
  readonly payload: Buffer;
  /** place in the file after this record */
  readonly nextOffset: number;
}

export interface OutputReadOptions {
  /** Go on when the end is reached, until `until` settles and the rest was read. */
  readonly follow?: boolean;
  readonly until?: Promise<unknown>;
  readonly sinceNs?: bigint;
  /** only the last N lines of stdout and stderr */
  readonly tailLines?: number;
  /** byte offset in the file; default 0 */
  readonly fromOffset?: number;
  readonly signal?: AbortSignal;
}

/** The output files of machines: written by VMMs, read here. */
export interface OutputFiles {
  /** Makes the file ready for a new boot: created when missing, a torn last record cut off. Returns its size, the offset of the new boot. */
  prepare(path: string): Promise<number>;
  read(path: string, options?: OutputReadOptions): AsyncIterable<OutputRecord>;
  /** The exit of the last boot (records after `bootOffset`), undefined when it wrote none. */
  exit(path: string, bootOffset: number): Promise<MachineExit | undefined>;
  /** Keeps about `maxBytes` of the newest output on disk: the head is punched out in whole records, offsets stay as they are. Readers that follow are waited for. */
  keep(path: string, maxBytes: number): { stop(): void };
}

export type { ContactPorts, ContactWatch } from "./contact-ports.ts";
export type {
  BootRecord,
  EventFilter,
  EventQuery,
  ImageFilter,
  MachineQuery,
  MachineRecord,
  Place,
  SavedSource,
  Store,
  Workload,
} from "./store-ports.ts";
export type { NewEvent, StoredEvent } from "./stored-events.ts";

/** Folders and disks of machines. */
export interface MachineFolders {
  readonly root: string;
  folder(id: string): string;
  socketFolder(id: string): string;
  outputPath(id: string): string;
  /** Makes the folder (0700, must not exist). Throws DISK_FULL. */
  create(id: string): Promise<void>;
  /** Makes the folder for sockets when it is missing, as after a reboot of the host. */
  createSocketFolder(id: string): Promise<void>;
  /** Makes the disk of a clone: a link to the snapshot's disk, and a file for what differs from it. Throws DISK_FULL. */
  createOverlay(id: string, snapshotDisk: string, sizeBytes: number): Promise<void>;
  overlayPath(id: string): string;
  /** Makes the file for what is written to a volume that the machine only reads, in place of any. Throws DISK_FULL. */
  createVolumeOverlay(id: string, index: number, sizeBytes: number): Promise<void>;
  volumeOverlayPath(id: string, index: number): string;
  /** Makes a folder in the machine's with nothing but this file of the host, in place of any: itself, or a copy when it is only read and lies on another file system. Throws HOST_PATH_REFUSED, DISK_FULL. */
  createFileShare(id: string, index: number, file: string, readOnly: boolean): Promise<void>;
  fileSharePath(id: string, index: number): string;
  /** What a suspended machine goes on from; it is there whole or not at all. */
  readonly saved: SavedFolders;
  /** Makes the writable ext4 disk, sparse, in place of any: a copy of the one at `copyOf`, else an empty one. Throws DISK_FULL, HOST_COMMAND_FAILED. */
  createDisk(id: string, sizeBytes: number, copyOf?: string): Promise<string>;
  diskPath(id: string): string;
  /** True when the folder exists. */
  has(id: string): Promise<boolean>;
  /** True when the disk exists, whole. */
  hasDisk(id: string): Promise<boolean>;
  /** A no-op when there is none. */
  removeDisk(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** What it takes of the host's disk, bytes; 0 when there is none. */
  usedBytes(id: string): Promise<number>;
  /** ids of folders that exist */
  list(): Promise<readonly string[]>;
}

/** The saved guest of each suspended machine, in the machine's folder. */
export interface SavedFolders {
  /** A new, empty folder; one that was left half-made goes. Throws DISK_FULL. */
  begin(id: string): Promise<string>;
  /** What `begin` gave, with these facts, becomes what the machine goes on from; durable when it resolves. Throws DISK_FULL. */
  commit(id: string, facts: CaptureFacts): Promise<void>;
  /** Undefined when there is none, or none that was not used. */
  load(id: string): Promise<{ readonly folder: string; readonly facts: CaptureFacts } | undefined>;
  /** The guest goes on: what was saved no longer fits its disk and is never gone on from again. Durable when it resolves. */
  use(id: string): Promise<void>;
  /** All of it, half-made and used ones too. */
  remove(id: string): Promise<void>;
}

/** Structured log: fields, then what happened. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Clock {
  now(): number;
  /** Runs `action` after `ms`; the returned function cancels. Never keeps the process alive. */
  after(ms: number, action: () => void): () => void;
}

export type Images = Pick<ImageStore, "resolve"> & Partial<Pick<ImageStore, "pull">>;

export interface HostCapacity {
  memoryTotalBytes(): number;
  memoryFreeBytes(): number;
  cpus(): number;
  /** changes with each boot of the host */
  bootId(): string;
}

export type { MachineSpec };
