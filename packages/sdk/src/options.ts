import type { Readable, Writable } from "node:stream";
import type {
  CloneSpec,
  ExecSpec,
  HealthStatus,
  Image,
  MachineExit,
  MachineState,
  Progress,
  PullPolicy,
  RegistryAuth,
} from "@isthmus/contract";
import type { Reconnect } from "./reconnect.ts";

/** What every call takes. */
export interface CallOptions {
  /** aborts the call, which then throws CANCELLED */
  readonly signal?: AbortSignal;
}

/** A call that can go on with the next daemon when this one is lost. */
export interface LastingOptions extends CallOptions {
  /** asked when the daemon is lost, for instance `backOff()`; without it the loss is thrown */
  readonly reconnect?: Reconnect;
}

/** How to make a machine. */
export interface CreateOptions extends CallOptions {
  /** start it at once; default true */
  readonly start?: boolean;
  /** when the daemon asks the image's registry for it, without an account; default missing */
  readonly pull?: PullPolicy;
  /** a second call with the same key answers with the machine of the first; made up when absent */
  readonly idempotencyKey?: string;
}

/** How to run a machine. */
export interface RunOptions extends Omit<CreateOptions, "start"> {
  /** true: a `FollowedMachine`, whose output comes along; default false */
  readonly follow?: boolean;
}

/** How to stop a machine. */
export interface StopOptions extends CallOptions {
  /** ms between the stop signal and SIGKILL; the spec's `stopTimeoutMs` when absent */
  readonly timeoutMs?: number;
  /** name or number of the stop signal; the spec's when absent */
  readonly stopSignal?: string | number;
}

/** How to kill a machine's workload. */
export interface KillOptions extends CallOptions {
  /** name or number; default SIGKILL */
  readonly killSignal?: string | number;
}

/** How to take a snapshot. */
export interface SnapshotOptions extends CallOptions {
  /** 1 to 63 letters, digits, `_`, `.` or `-`; made up when absent */
  readonly name?: string;
}

/** How many clones to make, and what they are to be. */
export interface CloneOptions extends CallOptions, CloneSpec {}

/** How to remove a machine. */
export interface RemoveOptions extends CallOptions {
  /** kill it first when it runs; default false */
  readonly force?: boolean;
  /** the anonymous volumes that were made for it too; default false */
  readonly volumes?: boolean;
}

/** Which machines to list. */
export interface ListOptions extends CallOptions {
  /** those that have ended or never started as well; default false */
  readonly all?: boolean;
  /** only these states; implies `all` */
  readonly states?: readonly MachineState[];
  /** `KEY` or `KEY=VALUE`, all of which must hold */
  readonly labels?: readonly string[];
  /** only machines whose name holds this text */
  readonly name?: string;
  /** or one of these texts, when `name` is absent */
  readonly names?: readonly string[];
  /** only machines with one of these ids, or beginnings of ids */
  readonly ids?: readonly string[];
  /** only those that exited with one of these codes; implies `all` */
  readonly exitCodes?: readonly number[];
  /** only those made of one of these images: names or digests */
  readonly ancestors?: readonly string[];
  /** only those whose checks say one of these; `none` are those without checks */
  readonly health?: readonly (HealthStatus | "none")[];
  /** only those that mount one of these volumes, or something at one of these paths */
  readonly volumes?: readonly string[];
  /** only those made before this machine */
  readonly before?: string;
  /** only those made after this machine */
  readonly since?: string;
}

/** One page of a list. */
export interface PageOptions extends ListOptions {
  /** machines on the page at most */
  readonly limit?: number;
  /** `next` of the page before */
  readonly cursor?: string;
}

/** Which output to read. With `reconnect` it goes on where it stopped, with nothing lost or doubled. */
export interface LogOptions extends LastingOptions {
  /** go on until the machine ends; default false */
  readonly follow?: boolean;
  /** RFC 3339 time, Unix seconds, or a duration back from now such as `10m` */
  readonly since?: string | number | Date;
  /** only the last lines, this many */
  readonly tail?: number;
  /** only what was written since the machine's last start; default false */
  readonly latest?: boolean;
  /** begin at this place, `next` of an earlier line; goes before `latest` */
  readonly from?: number;
  /** default true */
  readonly stdout?: boolean;
  /** default true */
  readonly stderr?: boolean;
}

/** What to run in a machine, beyond the command. */
export interface ExecOptions extends CallOptions, Omit<ExecSpec, "command"> {}

/** How to join a machine's workload. */
export interface AttachOptions extends CallOptions {
  /** send input as well; throws NOT_INTERACTIVE on a machine made without `stdin`; default true */
  readonly stdin?: boolean;
  /** begin with the output since the machine's start rather than with what comes next; default false */
  readonly logs?: boolean;
}

/** How a process ended. */
export interface ProcessExit {
  /** as a shell reports it: 128 + n after signal n */
  readonly code: number;
  /** number of the signal that ended it */
  readonly signal?: number;
}

/** A process in a machine, joined over streams that push back on it. Read or `resume()` both outputs: they share one connection. */
export interface Session {
  /** input; `end()` closes the process's stdin */
  readonly stdin: Writable;
  /** output; with a terminal, both outputs come here */
  readonly stdout: Readable;
  /** error output */
  readonly stderr: Readable;
  /** How it ended. Rejects with the daemon's error, DAEMON_UNREACHABLE when the connection is lost, or CANCELLED. */
  readonly exit: Promise<ProcessExit | MachineExit>;
  /** process id in the guest, when it is known */
  readonly pid?: number;
  /** Tells the process's terminal its new size, in characters. */
  resize(columns: number, rows: number): void;
  /** Sends a signal by name or number. */
  kill(signal: string | number): void;
  /** Lets go without ending the process of an attached machine; an exec's process gets SIGHUP. */
  close(): void;
}

/** What `execText` gives. */
export interface ExecResult extends ProcessExit {
  /** UTF-8 text of stdout */
  readonly stdout: string;
  /** UTF-8 text of stderr */
  readonly stderr: string;
}

/** How to take an image in. */
export interface ImportOptions extends CallOptions {
  /** tag to give: NAME or NAME:TAG */
  readonly ref: string;
  /** the image's Cmd */
  readonly command?: readonly string[];
  /** the image's Entrypoint */
  readonly entrypoint?: readonly string[];
  /** K=V */
  readonly env?: readonly string[];
  /** where its process starts */
  readonly workdir?: string;
  /** who it runs as */
  readonly user?: string;
  /** called with each step */
  readonly onProgress?: (progress: Progress) => void;
}

/** How to load an archive of images. */
export interface LoadOptions extends CallOptions {
  /** tag for the only image of an archive, beside those that it has there; of several images for those that have none */
  readonly ref?: string;
  /** called with each step */
  readonly onProgress?: (progress: Progress) => void;
}

/** How to talk to a registry. */
export interface RegistryCallOptions extends CallOptions {
  /** whose account; none when absent. It goes to the daemon for this call and is kept nowhere. */
  readonly auth?: RegistryAuth;
  /** called with each step, those of a layer with its short digest as `item` */
  readonly onProgress?: (progress: Progress) => void;
}

/** How to follow long work. */
export interface ProgressOptions extends CallOptions {
  /** called with each step */
  readonly onProgress?: (progress: Progress) => void;
}

/** What became of a removed image. */
export interface ImageRemoval {
  /** tags that went */
  readonly untagged: readonly string[];
  /** digests of the images that went with their last tag */
  readonly deleted: readonly string[];
}

/** What a removal of unused images did. */
export interface ImagePruning {
  /** images that went */
  readonly deleted: readonly Image[];
  /** bytes on disk */
  readonly freedBytes: number;
}

/** Which events to read. */
export interface EventOptions extends CallOptions {
  /** go on with what happens next; default false */
  readonly follow?: boolean;
  /** RFC 3339 time, Unix seconds, or a duration back from now such as `10m` */
  readonly since?: string | number | Date;
  /** only those until then, written likewise; a time to come ends the following */
  readonly until?: string | number | Date;
  /** only those after this `seq` */
  readonly after?: number;
  /** only those of this machine: id or name */
  readonly machine?: string;
  /** only these kinds: `machine`, `image`, `volume` */
  readonly kinds?: readonly string[];
  /** only these types: `machine.exited`, or `exited` */
  readonly types?: readonly string[];
  /** only those of machines with one of these images, as they name it */
  readonly images?: readonly string[];
  /** only those of machines with all of these labels: `KEY` or `KEY=VALUE` */
  readonly labels?: readonly string[];
}

/** What a path in a machine is. */
export interface PathStat {
  /** what lies there */
  readonly type: "file" | "directory" | "symlink" | "other";
  /** bytes */
  readonly size: number;
  /** permission bits */
  readonly mode: number;
  /** where a symbolic link points */
  readonly target?: string;
}

/** What a report of licences covers. */
export interface LicenceReportOptions extends CallOptions {
  /** 30 days before the end when absent; a text is RFC 3339, Unix seconds, or a duration back from now such as `720h` */
  readonly since?: Date | string;
  /** now when absent */
  readonly until?: Date | string;
  /** one product only */
  readonly product?: string;
  /** Compare the event log with the machines and pools that there are. */
  readonly audit?: boolean;
}
