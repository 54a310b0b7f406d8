import type { Readable } from "node:stream";
import type {
  CloneSpec,
  Event,
  ExecSpec,
  FileChange,
  LogLine,
  Machine,
  MachineExit,
  MachinePage,
  MachineProcess,
  MachineSpec,
  MachineState,
  MachineStats,
  MachineUpdate,
  PullPolicy,
  Why,
} from "@isthmus/contract";
import type { ContentionActions } from "../contention/actions.ts";
import type { MetricsSource } from "../host/ports.ts";
import type { LicenceActions } from "../licence/actions.ts";
import type { NetworkActions } from "../network/actions.ts";
import type { QuotaActions } from "../quota/actions.ts";
import type { SecretActions } from "../secret/secrets.ts";
import type { SnapshotActions } from "../snapshot/actions.ts";
import type { TemplateActions } from "../template/actions.ts";
import type { VolumeActions } from "../volume/actions.ts";
import type { EventFilter, GuestStream, MachineQuery, PathStat, WorkloadInput } from "./ports.ts";

export interface CreateOptions {
  /** A second call with the same key and request answers with the machine of the first. */
  readonly idempotencyKey?: string;
  /** Asked for by somebody who is not the owner of the daemon's socket; default false. */
  readonly remote?: boolean;
  /** Asked for by a caller that is bound to the spec's tenant: volumes of the host are not given to it; default false. */
  readonly tenantBound?: boolean;
  /** Start it and wait until the guest answered; default false. */
  readonly start?: boolean;
  /** when to ask the image's registry for it; default never */
  readonly pull?: PullPolicy;
  /** Told which machine it is once that is written down, before it runs. */
  readonly onCreated?: (id: string) => void;
  /** Stops waiting (CANCELLED); the machine goes on. */
  readonly signal?: AbortSignal;
}

export interface WaitOptions {
  /** Stops waiting (CANCELLED); the machine goes on. */
  readonly signal?: AbortSignal;
}

export interface StopOptions extends WaitOptions {
  /** ms between the stop signal and SIGKILL; the spec's when absent */
  readonly timeoutMs?: number;
  /** name or number; the spec's when absent */
  readonly stopSignal?: string;
}

export interface RemoveOptions {
  /** End it first when it runs. */
  readonly force?: boolean;
  /** The anonymous volumes that were made for it too; those of a machine with `autoRemove` go anyway. */
  readonly volumes?: boolean;
}

/** `ref` of a machine, or id, name or prefix of the id of a snapshot */
export type CloneSource = { readonly machine: string } | { readonly snapshot: string };

export type WaitCondition = "running" | "exited" | "removed";

export interface LogOptions {
  /** Go on until the machine has ended for good; a machine that was never started is waited for. */
  readonly follow?: boolean;
  /** ms since 1970 */
  readonly sinceMs?: number;
  /** only the last lines; 0 begins with what comes next */
  readonly tailLines?: number;
  /** begin at this place, which an earlier chunk gave as its `next` */
  readonly from?: number;
  /** only what was written since the last start; `from` goes before it */
  readonly latest?: boolean;
  /** default both */
  readonly streams?: readonly ("stdout" | "stderr")[];
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

/** A piece of output as it was written: any bytes, not cut at lines. `system` is ours, e.g. a note on dropped output. */
export interface LogChunk {
  readonly stream: LogLine["stream"];
  /** ns since 1970 */
  readonly timeNs: bigint;
  readonly bytes: Buffer;
  /** place in the output after this chunk */
  readonly next: number;
}

export interface EventOptions extends EventFilter {
  /** only events after this one */
  readonly afterSeq?: number;
  /** only events since this time, RFC 3339 */
  readonly since?: string;
  /** only events until this time, RFC 3339; a time to come ends the following */
  readonly until?: string;
  /** id, name or prefix of a machine */
  readonly machine?: string;
  /** only what is of this tenant */
  readonly tenant?: string;
  /** Go on with what happens; without it the iteration ends with the last stored event. Without `afterSeq` and `since`, following begins now. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** Which machines to list. `before` and `since` are machines that those listed were made before, after. */
export interface ListQuery extends Omit<MachineQuery, "images" | "before" | "after"> {
  /** names of images, or their digests */
  readonly ancestors?: readonly string[];
  readonly before?: string;
  readonly since?: string;
}

/**
 * Everything that can be done with machines. `ref` is an id, a name or a prefix of an id (4 characters at least): MACHINE_NOT_FOUND, MACHINE_AMBIGUOUS.
 * An action that a machine's state does not allow throws STATE_CONFLICT; one too many at a time MACHINE_BUSY; after `close` SHUTTING_DOWN.
 */
export interface Machines {
  readonly templates: TemplateActions;
  readonly snapshots: SnapshotActions;
  readonly volumes: VolumeActions;
  readonly networks: NetworkActions;
  readonly quotas: QuotaActions;
  readonly secrets: SecretActions;
  /** The host: its limits, and how many machines of each kind there are. */
  readonly host: Pick<MetricsSource, "status" | "census">;
  readonly contention: ContentionActions;
  readonly licences: LicenceActions;
  /**
   * Makes a machine; with `start` resolves when its guest answered. Throws INVALID_REQUEST, INVALID_NAME, NAME_TAKEN, TOO_LARGE, IMAGE_NOT_FOUND, INVALID_IMAGE_REF,
   * IMAGE_NO_COMMAND, ISOLATION_UNAVAILABLE, IDEMPOTENCY_MISMATCH, VOLUME_NAME_TAKEN, VOLUME_IN_USE, NO_CAPACITY, DISK_FULL and, with `start`, what `start` throws.
   */
  create(spec: MachineSpec, options?: CreateOptions): Promise<Machine>;
  /** Resolves when the guest answered. Throws NO_CAPACITY, TOO_MANY_REQUESTS, START_FAILED, START_TIMEOUT, PORT_TAKEN, CANCELLED (it was stopped meanwhile). */
  start(ref: string, options?: WaitOptions): Promise<Machine>;
  /** Resolves when the machine has ended. A start in progress is cancelled; a restart that waits is called off. Throws INVALID_REQUEST. */
  stop(ref: string, options?: StopOptions): Promise<Machine>;
  /** SIGKILL (the default) ends the machine at once and resolves when it has ended; any other signal goes to the workload. Throws INVALID_REQUEST. */
  kill(ref: string, signal?: string): Promise<Machine>;
  pause(ref: string): Promise<Machine>;
  unpause(ref: string): Promise<Machine>;
  /**
   * State to disk, process gone, memory returned; resolves when all of it is durable. Sessions with the guest and connections to its ports end. Throws CAPTURE_FAILED,
   * DISK_FULL: the machine goes on then.
   */
  suspend(ref: string): Promise<Machine>;
  /** The machine goes on where it was suspended. Throws what `start` throws and SNAPSHOT_UNUSABLE; it stays suspended then. */
  resume(ref: string, options?: WaitOptions): Promise<Machine>;
  /**
   * Clones of a snapshot, or of a machine that runs and goes on running; resolves when all of them run. All or none: when one fails, the others are removed.
   * Throws SNAPSHOT_NOT_FOUND, SNAPSHOT_UNUSABLE, CAPTURE_FAILED, NAME_TAKEN, PORT_TAKEN, INVALID_REQUEST, NO_CAPACITY and what `start` throws.
   */
  clone(source: CloneSource, spec?: CloneSpec, options?: WaitOptions): Promise<readonly Machine[]>;
  /**
   * Limits, policies and classes, in any state; what a guest boots with only while the machine has no process. Throws INVALID_REQUEST, FIXED_WHILE_LIVE,
   * LIMIT_REFUSED: then nothing has changed.
   */
  update(ref: string, change: MachineUpdate): Promise<Machine>;
  /** Another name, in any state. Throws INVALID_NAME, NAME_TAKEN. */
  rename(ref: string, name: string): Promise<Machine>;
  /** Deletes the machine, its disk and its output. `force` ends it first. */
  remove(ref: string, options?: RemoveOptions): Promise<void>;
  /**
   * `exited` (default): the exit, once no restart will follow; `running`: undefined; `removed`: the last exit, if any. Of machines removed a short time ago (by id) the exit is still known.
   * Throws the recorded failure when the machine failed to start, STATE_CONFLICT when `running` cannot come.
   */
  wait(ref: string, condition?: WaitCondition, signal?: AbortSignal, tenant?: string): Promise<MachineExit | undefined>;
  /** With `tenant` there are no machines but its own. */
  get(ref: string, tenant?: string): Machine;
  /** Why it is as it is, in words with numbers. */
  why(ref: string): Why;
  /** Newest first. Throws MACHINE_NOT_FOUND for `before` and `since`. */
  list(query: ListQuery): Promise<MachinePage>;
  /** All machines with what they take of the host's disk: disk, output, and what is saved of them. Bytes. */
  sizes(): Promise<readonly { readonly machine: Machine; readonly sizeBytes: number }[]>;
  /** How many machines, of `tenant` when it is given, are in each state; states without machines are absent. */
  counts(tenant?: string): Partial<Record<MachineState, number>>;
  /** Name of a machine that uses the image of this digest. */
  imageHolder(digest: string): string | undefined;
  exec(ref: string, spec: ExecSpec): Promise<GuestStream>;
  /** The workload's input; waits while the machine is queued or starting. Throws NOT_INTERACTIVE. */
  attach(ref: string, signal?: AbortSignal): Promise<WorkloadInput>;
  /** Throws MACHINE_NOT_FOUND with the first step of the iteration. */
  logs(ref: string, options?: LogOptions): AsyncGenerator<LogChunk, void, undefined>;
  stats(ref: string): Promise<MachineStats>;
  /** Those of the workload and its descendants, and of execs. */
  processes(ref: string): Promise<readonly MachineProcess[]>;
  /** What it made otherwise than its image; of a machine that has ended, too. Throws STATE_CONFLICT. */
  changes(ref: string): Promise<readonly FileChange[]>;
  putArchive(ref: string, path: string, archive: Readable, signal?: AbortSignal): Promise<void>;
  getArchive(ref: string, path: string, signal?: AbortSignal): Promise<Readable>;
  statPath(ref: string, path: string): Promise<PathStat>;
  events(options?: EventOptions): AsyncGenerator<Event, void, undefined>;
  /** Takes up what an earlier daemon left: to be called once, before anything else. Resolves when every machine has its verdict. */
  adoptAll(): Promise<AdoptionReport>;
  /** Refuses new requests, waits a bounded time for starts in progress, lets go of all machines; they keep running. */
  close(): Promise<void>;
}

export interface AdoptionReport {
  readonly adopted: number;
  readonly ended: number;
  readonly restarted: number;
  readonly unreachable: number;
  readonly orphansReaped: number;
  readonly foldersRemoved: number;
}
