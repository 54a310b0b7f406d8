import {
  IsthmusError,
  type LicencePool,
  type LicencePoolSpec,
  type LicencePoolStatus,
  type LicenceReport,
  type SeatHolder,
} from "@isthmus/contract";
import type { Clock, Store, StoredEvent } from "../machine/ports.ts";
import { LicenceAuditing } from "./audit.ts";
import { DAY_MS, REPORT_DAYS_MAX, REPORT_MS } from "./config.ts";
import { overLicenceEvents } from "./event-pages.ts";
import { type LeaseHolder, usedSeats } from "./lease.ts";
import type { Licences } from "./licences.ts";
import { overSince, validity } from "./pool.ts";
import { checkPools, resolvePool } from "./pool-terms.ts";
import { LicenceReporting } from "./report.ts";

export interface ReportOptions {
  /** ms since 1970; 30 days before the end when absent */
  readonly sinceMs?: number;
  /** ms since 1970; now when absent */
  readonly untilMs?: number;
  readonly product?: string;
  /** compare the log with machines and pools, too */
  readonly audit?: boolean;
}

/** What can be done with licence pools. After the daemon's close SHUTTING_DOWN. */
export interface LicenceActions {
  /** Throws INVALID_NAME, INVALID_REQUEST, TOO_LARGE, LICENCE_POOL_TAKEN. */
  add(spec: LicencePoolSpec): LicencePoolStatus;
  /** Adds it, or changes the one of its name; what is held stays held. Throws INVALID_NAME, INVALID_REQUEST, TOO_LARGE. */
  replace(name: string, spec: LicencePoolSpec): LicencePoolStatus;
  /** by name */
  list(): readonly LicencePoolStatus[];
  /** Throws LICENCE_POOL_NOT_FOUND. */
  get(name: string): LicencePoolStatus;
  /** Throws LICENCE_POOL_NOT_FOUND and, without `force`, LICENCE_POOL_IN_USE. */
  remove(name: string, options?: { readonly force?: boolean }): LicencePoolStatus;
  /** From the whole log of licences; others have their turn meanwhile. Throws INVALID_REQUEST. */
  report(options?: ReportOptions): Promise<LicenceReport>;
}

export interface LicenceActionsParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly licences: Licences;
  readonly checkOpen: () => void;
}

export function createLicenceActions(parts: LicenceActionsParts): LicenceActions {
  const { store, clock, checkOpen } = parts;
  const find = (name: string) => store.licencePools().find((pool) => pool.name === name);
  const put = (pool: LicencePool, event: "added" | "changed"): LicencePoolStatus => {
    store.putLicencePool(pool, [{ type: `licence.pool-${event}`, details: { ...termsOf(pool) } }]);
    return statusOf(parts, pool);
  };
  const existing = (name: string): LicencePool => {
    checkOpen();
    const pool = find(name);
    if (pool === undefined) throw new IsthmusError("LICENCE_POOL_NOT_FOUND", { name });
    return pool;
  };
  return {
    add(spec) {
      checkOpen();
      const pool = resolvePool(spec, clock.now());
      if (find(pool.name)) throw new IsthmusError("LICENCE_POOL_TAKEN", { name: pool.name });
      checkPools(store.licencePools().length);
      return put(pool, "added");
    },
    replace(name, spec) {
      checkOpen();
      const earlier = find(name);
      const pool = resolvePool({ ...spec, name }, clock.now(), earlier);
      if (!earlier) checkPools(store.licencePools().length);
      return put(pool, earlier ? "changed" : "added");
    },
    list() {
      checkOpen();
      return store.licencePools().map((pool) => statusOf(parts, pool));
    },
    get: (name) => statusOf(parts, existing(name)),
    remove(name, { force = false } = {}) {
      const status = statusOf(parts, existing(name));
      const holder = status.holders[0];
      if (holder && !force)
        throw new IsthmusError("LICENCE_POOL_IN_USE", { name, value: status.holders.length, holder: holder.machineName });
      store.deleteLicencePool(name, [{ type: "licence.pool-removed", details: { pool: name, product: status.product } }]);
      return status;
    },
    report: (options = {}) => report(parts, options),
  };
}

async function report(
  { store, clock, checkOpen }: LicenceActionsParts,
  { audit = false, product, ...span }: ReportOptions,
): Promise<LicenceReport> {
  const untilMs = span.untilMs ?? clock.now();
  const sinceMs = span.sinceMs ?? untilMs - REPORT_MS;
  checkOpen();
  checkSpan(sinceMs, untilMs);
  const reporting = new LicenceReporting({ sinceMs, untilMs, product });
  const auditing = audit ? new LicenceAuditing() : undefined;
  const page: Store["licenceEvents"] = (query) => {
    checkOpen();
    return store.licenceEvents(query);
  };
  const take = (event: StoredEvent) => {
    reporting.add(event);
    auditing?.add(event);
  };
  return await overLicenceEvents({ licenceEvents: page }, take, () => ({
    ...reporting.result(),
    ...(auditing && { audit: auditing.result(store.leases(), store.licencePools()) }),
  }));
}

/** Of the events of a pool: `pool` is its name, as in those of seats. */
function termsOf({ name, ...terms }: LicencePool): Readonly<Record<string, unknown>> {
  return { pool: name, ...terms };
}

function checkSpan(sinceMs: number, untilMs: number): void {
  const days = (untilMs - sinceMs) / DAY_MS;
  if (days > 0 && days <= REPORT_DAYS_MAX) return;
  const reason = days > 0 ? `a report covers ${REPORT_DAYS_MAX} days at most` : "it is not before until";
  throw new IsthmusError("INVALID_REQUEST", { field: "since", reason, value: new Date(sinceMs).toISOString() });
}

function statusOf({ store, clock, licences }: LicenceActionsParts, pool: LicencePool): LicencePoolStatus {
  const holders = store.leases().filter(({ lease }) => lease.seats.some((seat) => seat.pool === pool.name));
  const seats = holders.flatMap(({ lease }) => lease.seats);
  const used = usedSeats(pool.name, seats);
  const valid = validity(pool, clock.now());
  const short = pool.limit === "soft" && overSince(pool, seats) !== undefined ? "grace" : used >= pool.seats ? "short" : "ok";
  return {
    ...pool,
    used,
    free: pool.seats - used,
    standing: valid === "ok" ? short : valid,
    typicalRunMs: licences.typicalRunMs(pool.name),
    holders: holders.map((holder) => shownHolder(holder, pool.name, licences)).sort((a, b) => (a.since < b.since ? -1 : 1)),
  };
}

function shownHolder(holder: LeaseHolder, pool: string, licences: Licences): SeatHolder {
  const { id, name, state, lease } = holder;
  const own = lease.seats.filter((seat) => seat.pool === pool);
  const expected = licences.expectedEnd(holder, pool);
  return {
    machineId: id,
    machineName: name,
    state,
    seats: usedSeats(pool, own),
    share: own[0]?.share,
    since: new Date(own[0]?.sinceMs ?? lease.grantedMs).toISOString(),
    expectedAt: expected === undefined ? undefined : new Date(expected).toISOString(),
  };
}
