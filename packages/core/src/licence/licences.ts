import type { LicencePool } from "@isthmus/contract";
import type { Clock, HostCapacity, MachineRecord, StoredEvent } from "../machine/ports.ts";
import { RUNS_LOOKED_FOR_AMONG, TYPICAL_RUNS } from "./config.ts";
import type { LeaseHolder } from "./lease.ts";
import { tenantOf, userOf } from "./lease-events.ts";
import { productsNeeded } from "./needs.ts";
import type { LicenceTables } from "./ports.ts";
import { seatsFor } from "./seats.ts";

export interface LicencesParts {
  readonly store: LicenceTables & { onEvents(listener: (events: readonly StoredEvent[]) => void): () => void };
  readonly clock: Clock;
  readonly capacity: Pick<HostCapacity, "cpus">;
}

/** The licences of this host: what a start may have, and how long seats are usually held. */
export class Licences {
  readonly #parts: LicencesParts;
  /** ms of the latest leases of each pool that were returned */
  #runs: Map<string, number[]> | undefined;

  constructor(parts: LicencesParts) {
    this.#parts = parts;
    parts.store.onEvents((events) => {
      if (this.#runs) for (const event of events) note(this.#runs, event);
    });
  }

  /** What the start of a machine may have now: `seats` for its lease, none when it needs none. Decides only: the lease is the caller's to commit, before anything is waited for. */
  seats({ machine }: MachineRecord): ReturnType<typeof seatsFor> {
    const { store, clock, capacity } = this.#parts;
    const pools = store.licencePools();
    const products = productsNeeded(machine.spec, machine.imageDigest, pools);
    if (products.length === 0) return { seats: [] };
    const { id, spec } = machine;
    const request = { id, products, cpus: spec.cpus ?? 1, hostCores: capacity.cpus(), user: userOf(spec) };
    const expectedEnd = (holder: LeaseHolder, pool: string) => this.expectedEnd(holder, pool);
    const tenant = tenantOf(spec);
    // A tenant is told that others hold seats, and not who they are.
    const holders = store.leases().map((one) => (tenantOf(one) === tenant ? one : { ...one, name: "another tenant's machine" }));
    return seatsFor(request, { pools, holders, expectedEnd }, clock.now());
  }

  pools(): readonly LicencePool[] {
    return this.#parts.store.licencePools();
  }

  /** When a holder is expected to return its seats, ms since 1970: at the end of its ttl, else after a typical run. */
  expectedEnd({ lease, ttlMs }: LeaseHolder, pool: string): number | undefined {
    const now = this.#parts.clock.now();
    const typical = this.typicalRunMs(pool);
    const ends = ttlMs === undefined ? [] : [Math.max(now, lease.grantedMs + ttlMs)];
    // A run that is longer than the typical one tells nothing about its end.
    if (typical !== undefined && lease.grantedMs + typical > now) ends.push(lease.grantedMs + typical);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Median of the latest leases of a pool, ms; undefined before the first was returned. */
  typicalRunMs(pool: string): number | undefined {
    this.#runs ??= this.#load();
    const runs = [...(this.#runs.get(pool) ?? [])].sort((a, b) => a - b);
    return runs[Math.floor(runs.length / 2)];
  }

  /** From the newest events alone: a start that meets a shortage waits for this. */
  #load(): Map<string, number[]> {
    const runs = new Map<string, number[]>();
    for (const event of this.#parts.store.licenceEvents({ newest: true, limit: RUNS_LOOKED_FOR_AMONG })) note(runs, event);
    return runs;
  }
}

function note(runs: Map<string, number[]>, { type, time, details }: StoredEvent): void {
  const { pool, sinceMs } = details;
  if (type !== "licence.returned" || typeof pool !== "string" || typeof sinceMs !== "number") return;
  const latest = runs.get(pool) ?? [];
  latest.push(Math.max(0, Date.parse(time) - sinceMs));
  if (latest.length > TYPICAL_RUNS) latest.shift();
  runs.set(pool, latest);
}
