import type { HealthStatus, Machine } from "@isthmus/contract";
import type { Lease } from "../licence/lease.ts";
import type { LicenceTables } from "../licence/ports.ts";
import type { NetworkTables } from "../network/ports.ts";
import type { QuotaTables } from "../quota/ports.ts";
import type { SecretTables } from "../secret/ports.ts";
import type { TokenTables } from "../token/ports.ts";
import type { NewEvent, StoredEvent } from "./stored-events.ts";

export interface Workload {
  readonly argv: readonly string[];
  /** K=V */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly tty: boolean;
  readonly stdin: boolean;
}

/** What a start goes on from. */
export type SavedSource = { readonly from: "suspension" } | { readonly from: "snapshot"; readonly id: string };

export interface MachineRecord {
  readonly machine: Machine;
  /** what a restart of the daemon needs and no user sees */
  readonly boot: BootRecord;
}

export interface BootRecord {
  /** place in the output file where the records of the last boot begin */
  readonly bootOffset: number;
  readonly desired: "running" | "stopped";
  /** restarts by policy without a long enough run in between: decides the back-off */
  readonly attempts: number;
  /** ms since 1970 when the last boot's guest answered; absent before the first */
  readonly startedMs?: number;
  /** resolved at creation, so that an image that changes or goes changes nothing here */
  readonly workload: Workload;
  readonly rootfsPath: string;
  readonly stopSignal: number;
  /** boot of the host in which the last start happened */
  readonly hostBootId?: string;
  /** why the present boot ends, when it is not the workload's own doing */
  readonly endReason?: "killed" | "ttl" | "cancelled";
  /** ms since 1970 when an orderly stop becomes a kill */
  readonly stopDeadlineMs?: number;
  /** ms since 1970 when the policy starts it again */
  readonly restartAtMs?: number;
  /** times that a start was begun again because the daemon died in it */
  readonly resumes?: number;
  /** notes on the spec and on what was lost, before those of a start */
  readonly notes?: readonly string[];
  /** what the next start, or the one in progress, goes on from instead of beginning anew */
  readonly goesOnFrom?: SavedSource;
  /** its disk holds what differs from the disk of the snapshot that it was cloned from */
  readonly overlay?: true;
  /** it was suspended because its host was under pressure, and goes on when that is over */
  readonly yielded?: true;
  /** a suspension is under way: what a daemon that dies in it leaves is undone */
  readonly suspending?: true;
  /** the network that it is put on or taken off while it runs: what a daemon that dies in it leaves is finished */
  readonly moving?: string;
  /** how its start asked to be let in */
  readonly queued?: { readonly atMs: number; readonly maxWaitMs: number; readonly priority: "low" | "normal" | "high" };
  /** what its start was granted; goes in the commit in which the machine settles */
  readonly lease?: Lease;
}

export interface MachineQuery {
  readonly states?: readonly Machine["state"][];
  /** also those of other states that wait to be started again */
  readonly orRestarting?: boolean;
  readonly labels?: readonly { readonly key: string; readonly value?: string }[];
  /** parts of names, any of which does */
  readonly names?: readonly string[];
  /** ids, or how they begin */
  readonly ids?: readonly string[];
  /** of machines that have exited; implies that state */
  readonly exitCodes?: readonly number[];
  readonly images?: readonly ImageFilter[];
  /** what checks of running machines say; `none` of those without one */
  readonly health?: readonly (HealthStatus | "none")[];
  /** a volume's name, or a path in the guest */
  readonly volumes?: readonly string[];
  /** made before, after this machine */
  readonly before?: Place;
  readonly after?: Place;
  readonly tenant?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** As machines name it, or what that means here now. */
export interface ImageFilter {
  readonly names: readonly string[];
  readonly digest?: string;
}

/** Where a machine stands in the order of their making. */
export type Place = Pick<Machine, "createdAt" | "id">;

/** Of several of one kind any does; kinds must all hold. */
export interface EventFilter {
  /** whole types (`machine.exited`), or what follows the dot (`exited`) */
  readonly types?: readonly string[];
  /** what comes before the dot: `machine`, `image`, `volume` */
  readonly kinds?: readonly string[];
  /** images of machines */
  readonly images?: readonly string[];
  /** of machines */
  readonly labels?: readonly { readonly key: string; readonly value?: string }[];
}

/** Which events to read. */
export interface EventQuery extends EventFilter {
  readonly afterSeq?: number;
  readonly sinceIso?: string;
  /** those of this time too */
  readonly untilIso?: string;
  readonly limit: number;
  readonly machineId?: string;
  readonly tenant?: string;
  /** the last ones instead of the first; oldest first all the same */
  readonly newest?: boolean;
}

/** The truth on one host. Each call is one durable transaction; events given along are committed with it. */
export interface Store extends LicenceTables, NetworkTables, QuotaTables, SecretTables, TokenTables {
  /** Throws NAME_TAKEN. */
  insertMachine(
    record: MachineRecord,
    events: readonly NewEvent[],
    idempotency?: { readonly key: string; readonly requestHash: string },
  ): void;
  updateMachine(record: MachineRecord, events: readonly NewEvent[]): void;
  deleteMachine(id: string, events: readonly NewEvent[]): void;
  /** by id, name, or a prefix of the id (4 characters at least); with `tenant` among its own only. Throws MACHINE_NOT_FOUND, MACHINE_AMBIGUOUS. */
  machine(ref: string, tenant?: string): MachineRecord;
  machines(query: MachineQuery): { readonly records: readonly MachineRecord[]; readonly next?: string };
  allMachines(): readonly MachineRecord[];
  /** how many machines, of `tenant` when it is given, are in each state; states without machines are absent */
  counts(tenant?: string): Partial<Record<Machine["state"], number>>;
  /** id of the machine of this name */
  nameHolder(name: string): string | undefined;
  /** name of a machine that uses this image */
  imageHolder(digest: string): string | undefined;
  /** The machine made under this key, or undefined. Throws IDEMPOTENCY_MISMATCH, MACHINE_NOT_FOUND (it was removed since). */
  idempotent(key: string, requestHash: string): MachineRecord | undefined;
  appendEvents(events: readonly NewEvent[]): void;
  events(query: EventQuery): readonly StoredEvent[];
  /** of the newest event; 0 when there was none */
  lastEventSeq(): number;
  /** Called after each commit that holds events. Returns the way to stop. */
  onEvents(listener: (events: readonly StoredEvent[]) => void): () => void;
  close(): void;
}
