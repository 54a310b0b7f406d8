import { defaults, type HostFacts, type IsthmusError, type MachineSpec } from "@isthmus/contract";
import { Admission } from "../../admission/admission.ts";
import { OVERHEAD_BYTES } from "../../admission/config.ts";
import type { LimitSettings } from "../../admission/limits.ts";
import { refusalOf } from "../../admission/refusal.ts";
import type { AdmissionPort, AdmissionRequest, Grant, Held, Priority, QueuePlace, Quota, Shortage } from "../../admission/request.ts";
import type { AdmissionStatus } from "../../admission/status.ts";
import type { Seat } from "../../licence/lease.ts";
import type { Licences } from "../../licence/licences.ts";
import { licenceRefusal } from "../../licence/shortage.ts";
import { WEIGHT_DEFAULT } from "../../quota/actions.ts";
import { FACTS_MS } from "../config.ts";
import type { BootRecord, Clock, MachineRecord, Store } from "../ports.ts";
import { heldBy, type Leases } from "./leases.ts";

/** What an operator may set; what is absent follows from the host. */
export interface AdmissionSettings extends LimitSettings {
  /** ms that a start waits for room or licences where its spec says nothing; default 0: it is refused */
  readonly maxWaitMs?: number;
}

export interface AdmittingParts {
  readonly store: Pick<Store, "quota">;
  readonly leases: Leases;
  readonly licences: Licences;
  readonly clock: Clock;
  readonly facts: () => HostFacts;
  readonly settings: AdmissionSettings;
  /** Memory that a machine's engine was last seen to use, bytes. */
  readonly measuredBytes: (id: string) => number | undefined;
  /** What a tenant's volumes may come to hold, bytes. */
  readonly volumeBytes: (tenant: string) => number;
  /** Commits the lease of a start. Throws when it is no longer wanted. */
  readonly grant: (request: AdmissionRequest, seats: readonly Seat[]) => void;
}

/** who asks: what exists already goes before what is new, and a start that nobody can repeat is not refused for having to wait */
export type AskedBy = "user" | "resume" | "policy";

const raised: Readonly<Record<Priority, Priority>> = { low: "normal", normal: "high", high: "high" };

/** Starts of machines, before admission. */
export class Admitting {
  readonly #parts: AdmittingParts;
  readonly #admission: Admission;
  readonly #records = new WeakMap<AdmissionRequest, MachineRecord>();
  readonly #quotas = new Map<string, Quota>();
  readonly #refused = new WeakMap<Error, Shortage>();
  readonly #refusals = new Map<string, number>();
  #facts: { readonly atMs: number; readonly facts: HostFacts } | undefined;
  #changing = false;

  constructor(parts: AdmittingParts) {
    this.#parts = parts;
    this.#admission = new Admission(this.#port(), parts.settings);
  }

  /** How a start asks, to be written down with it, so that a daemon after this one puts it in its place again. */
  queued(spec: MachineSpec, by: AskedBy): Pick<BootRecord, "queued"> {
    const { clock, settings } = this.#parts;
    const priority = spec.priority ?? defaults.priority;
    const waits = by === "policy" ? Number.MAX_SAFE_INTEGER : (spec.maxWaitMs ?? settings.maxWaitMs ?? 0);
    return { queued: { atMs: clock.now(), maxWaitMs: waits, priority: by === "user" ? priority : raised[priority] } };
  }

  /** Before a start is written down. Throws what can be told at once: NO_CAPACITY, NEVER_FITS, QUOTA_REACHED, LICENCE_…, TOO_MANY_REQUESTS. */
  check(record: MachineRecord): void {
    this.#admission.check(this.#request(record));
  }

  /** Resolves when the start may go on, its lease written down; its slot is held until `done`. Rejects with the refusal or CANCELLED. */
  enter(record: MachineRecord, signal: AbortSignal): Promise<Grant> {
    return this.#admission.enter(this.#request(record), signal);
  }

  /** starts that hold a slot */
  get inFlight(): number {
    return this.#admission.inFlight;
  }

  get status(): AdmissionStatus {
    return this.#admission.status();
  }

  get settings(): AdmissionSettings {
    return this.#parts.settings;
  }

  /** since this daemon started, by limit */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }

  place(id: string): QueuePlace | undefined {
    return this.#admission.position(id);
  }

  /** What a start was refused for; undefined when the error is no refusal. */
  shortage(error: unknown): Shortage | undefined {
    return error instanceof Error ? this.#refused.get(error) : undefined;
  }

  count(limit: string): void {
    this.#refusals.set(limit, (this.#refusals.get(limit) ?? 0) + 1);
  }

  facts(): HostFacts {
    const atMs = this.#parts.clock.now();
    if (this.#facts === undefined || Math.abs(atMs - this.#facts.atMs) >= FACTS_MS) this.#facts = { atMs, facts: this.#parts.facts() };
    return this.#facts.facts;
  }

  held(): Held[] {
    return Array.from(this.#parts.leases.held(), (one) => ({ ...one, measuredBytes: this.#measured(one) }));
  }

  quotasChanged(): void {
    this.#quotas.clear();
    this.changed();
  }

  /** What starts wait for may have become free. They are looked at once for all that happens at a moment, and never within somebody's commit. */
  changed(): void {
    if (this.#changing) return;
    this.#changing = true;
    queueMicrotask(() => {
      this.#changing = false;
      this.#admission.changed();
    });
  }

  /** No further start is let in; what waits stays written down for the next daemon. */
  close(): void {
    this.#admission.close();
  }

  #request(record: MachineRecord): AdmissionRequest {
    const { atMs, maxWaitMs, priority } = record.boot.queued ?? this.queued(record.machine.spec, "user").queued ?? NEVER;
    // A start that was let in once was interrupted by the death of its daemon: what it waited before no longer counts.
    const queuedAtMs = record.boot.lease === undefined ? atMs : this.#parts.clock.now();
    const said = maxWaitMs >= Number.MAX_SAFE_INTEGER ? maxWaitMs : (record.machine.spec.maxWaitMs ?? this.#parts.settings.maxWaitMs);
    const bound = said === undefined ? {} : { seatsWaitMs: said };
    const request: AdmissionRequest = { ...heldBy(record), licences: [], priority, maxWaitMs, ...bound, queuedAtMs };
    this.#records.set(request, record);
    return request;
  }

  /** What an engine is charged for holds pages of its files, which the kernel takes back when it needs them: so much of it says nothing. */
  #measured({ id, isolation, memoryBytes }: Held): number | undefined {
    const bytes = this.#parts.measuredBytes(id);
    return bytes === undefined ? undefined : Math.min(bytes, memoryBytes + MEASURED_OVERHEADS_MAX * OVERHEAD_BYTES[isolation]);
  }

  #port(): AdmissionPort {
    const { clock, grant, licences, volumeBytes } = this.#parts;
    return {
      held: () => this.held(),
      facts: () => this.facts(),
      quota: (tenant) => ({ ...this.#quota(tenant), volumeBytes: volumeBytes(tenant) }),
      seats: (request) => {
        const record = this.#records.get(request);
        return record ? licences.seats(record) : { seats: [] };
      },
      refusal: (_request, shortage) => this.#refusal(shortage),
      grant,
      now: () => clock.now(),
      after: (ms, action) => clock.after(ms, action),
    };
  }

  #refusal(shortage: Shortage): IsthmusError {
    const error = isLicenceShortage(shortage) ? licenceRefusal(shortage) : refusalOf(shortage);
    this.#refused.set(error, shortage);
    this.count(shortage.limit);
    return error;
  }

  #quota(tenant: string): Quota {
    const known = this.#quotas.get(tenant);
    if (known) return known;
    const quota = this.#parts.store.quota(tenant) ?? { weight: WEIGHT_DEFAULT };
    if (this.#quotas.size >= QUOTAS_KEPT) this.#quotas.clear();
    this.#quotas.set(tenant, quota);
    return quota;
  }
}

/** a measured engine counts with its guest and so many times the overhead of its class at most */
const MEASURED_OVERHEADS_MAX = 2;
/** quotas that are not read again for each start */
const QUOTAS_KEPT = 1024;
const NEVER = { atMs: 0, maxWaitMs: 0, priority: defaults.priority } as const;

type LicenceShortage = Parameters<typeof licenceRefusal>[0];

function isLicenceShortage(shortage: Shortage): shortage is Shortage & LicenceShortage {
  return shortage.kind === "licence" && "product" in shortage;
}
