import type { Isolation, IsthmusError } from "@isthmus/contract";
import type { Seat } from "../licence/lease.ts";

export type Priority = "low" | "normal" | "high";

/** A start that asks to be let in. */
export interface AdmissionRequest {
  /** of its machine */
  readonly id: string;
  readonly tenant: string;
  readonly priority: Priority;
  readonly imageDigest: string;
  readonly isolation: Isolation;
  readonly cpus: number;
  /** of the guest */
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** published */
  readonly ports: number;
  /** products that it needs licences of, each once */
  readonly licences: readonly string[];
  /** ms since `queuedAtMs` that it may wait for capacity, a quota or seats; 0: refused when it does not fit */
  readonly maxWaitMs: number;
  /** the same for seats of a pool that lets starts wait, where somebody said how long; absent: as long as the queue lets anybody wait */
  readonly seatsWaitMs?: number;
  /** ms since 1970 */
  readonly queuedAtMs: number;
}

/** What a machine with a lease holds. */
export interface Held {
  readonly id: string;
  readonly tenant: string;
  readonly imageDigest: string;
  readonly isolation: Isolation;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** what its engine really uses, its share of shared pages included (PSS); absent until measured */
  readonly measuredBytes?: number;
  readonly diskBytes: number;
  readonly ports: number;
  readonly seats: readonly Seat[];
}

/** Pressure in per cent of time, 0 to 100, means over 10 s. */
export interface Pressure {
  readonly cpu: { readonly some10: number };
  readonly memory: { readonly some10: number; readonly full10: number };
}

/** The host as it is at this moment. */
export interface HostFacts {
  readonly cpus: number;
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  /** where machines' disks are */
  readonly diskFreeBytes: number;
  /** that may still be started; absent: not known */
  readonly processesLeft?: number;
  /** that the daemon may still open; absent: not known */
  readonly descriptorsLeft?: number;
  /** absent: not known */
  readonly pressure?: Pressure;
}

export type Unit = "machines" | "vcpus" | "bytes" | "ports" | "seats" | "processes" | "descriptors" | "requests" | "ms";

/** Why a request does not fit: a limit, what was asked of it, and what is used of it. */
export interface Shortage {
  /** as `isthmus host status` names it */
  readonly limit: string;
  /** tenant, image, isolation or pool that the limit is of */
  readonly scope?: string;
  readonly needed: number;
  readonly used: number;
  readonly max: number;
  readonly unit: Unit;
  readonly kind: "capacity" | "quota" | "licence" | "queue" | "rate";
  /** it could never fit, however long it waited */
  readonly permanent: boolean;
  /** when it is expected to fit, ms from now */
  readonly expectedMs?: number;
  /** of a licence: whether its pool lets starts wait, whatever they say themselves */
  readonly onShortage?: "refuse" | "queue";
}

/** What a tenant may have. Absent limits: as much as the host gives. */
export interface Quota {
  /** its part of the starts beside other tenants' weights */
  readonly weight: number;
  readonly machines?: number;
  readonly vcpus?: number;
  /** reserved, engine overhead included */
  readonly memoryBytes?: number;
  readonly diskBytes?: number;
  /** what is used of `diskBytes` beside its machines: its volumes */
  readonly volumeBytes?: number;
  readonly ports?: number;
  /** requests that wait */
  readonly queued?: number;
}

/** How a granted start ended. */
export interface StartOutcome {
  readonly ok: boolean;
  /** from the grant on */
  readonly latencyMs: number;
  /** what it was made of (booted, cloned, taken from a pool, …): latencies are compared within one kind only */
  readonly kind?: string;
}

/** A start that was let in. */
export interface Grant {
  readonly seats: readonly Seat[];
  readonly waitedMs: number;
  /** Gives the start slot back; the lease stays with the machine. Further calls do nothing. */
  done(outcome: StartOutcome): void;
}

/** Where a request stands. */
export interface QueuePlace {
  /** from 1, in the order in which requests are expected to be let in */
  readonly position: number;
  readonly ahead: number;
  readonly waitedMs: number;
  /** absent: nothing is known by which to tell */
  readonly estimatedMs?: number;
  readonly cause: Shortage | "start-slots" | "rate";
}

/** What admission asks of its surroundings. */
export interface AdmissionPort {
  /** one for each machine that has a lease */
  held(): Iterable<Held>;
  facts(): HostFacts;
  quota(tenant: string): Quota;
  /** Free seats for all that the request needs, or what is short. */
  seats(request: AdmissionRequest): { readonly seats: readonly Seat[] } | { readonly shortage: Shortage };
  /** What a user is told of a shortage. */
  refusal(request: AdmissionRequest, shortage: Shortage): IsthmusError;
  /** Commits the lease; from then on `held` has it, and a second time for the same request it changes nothing. What it throws ends the request. It must not call `changed`. */
  grant(request: AdmissionRequest, seats: readonly Seat[]): void;
  /** ms since 1970 */
  now(): number;
  /** Runs `action` once after `ms`. Returns how to call it off. */
  after(ms: number, action: () => void): () => void;
}
