import { formatDuration, IsthmusError, type LicencePool } from "@isthmus/contract";
import { HOLDERS_NAMED, RETRY_AFTER_MS } from "./config.ts";
import { type LeaseHolder, type Seat, usedSeats } from "./lease.ts";
import { ceiling, graceSeats, validity } from "./pool.ts";

/** Why a start has no seat. */
export interface LicenceShortage {
  readonly kind: "licence";
  readonly limit: "licence-seats";
  /** the pool that comes nearest; absent when there is none for the product */
  readonly scope?: string;
  readonly unit: "seats";
  readonly product: string;
  readonly needed: number;
  readonly used: number;
  readonly max: number;
  /** it could never fit, whatever is returned */
  readonly permanent: boolean;
  /** ms until enough seats are expected; absent when nobody can tell */
  readonly expectedMs?: number;
  readonly onShortage: "refuse" | "queue";
  /** who holds seats: name and number */
  readonly holders: readonly string[];
  /** in words */
  readonly reason: string;
}

/** A holder's end as it is expected, ms since 1970; undefined when nobody can tell. */
export type ExpectedEnd = (holder: LeaseHolder, pool: string) => number | undefined;

export interface Lack {
  readonly pool: LicencePool;
  readonly needed: Pick<Seat, "seats" | "share">;
  readonly holders: readonly LeaseHolder[];
  readonly nowMs: number;
  readonly expectedEnd: ExpectedEnd;
}

/** No pool has this product. */
export function noPool(product: string): LicenceShortage {
  const reason = "there is no pool of it";
  return { ...fixed, product, needed: 1, used: 0, max: 0, permanent: true, onShortage: "refuse", holders: [], reason };
}

const fixed = { kind: "licence", limit: "licence-seats", unit: "seats" } as const;

/** Why `pool` does not give what is needed. */
export function shortageOf({ pool, needed, holders, nowMs, expectedEnd }: Lack): LicenceShortage {
  const mine = holders.filter(({ lease }) => lease.seats.some((seat) => seat.pool === pool.name));
  const used = usedSeats(
    pool.name,
    mine.flatMap(({ lease }) => lease.seats),
  );
  const about = {
    ...fixed,
    scope: pool.name,
    product: pool.product,
    needed: needed.seats,
    used,
    max: pool.seats,
    onShortage: pool.onShortage,
    holders: named(mine, pool.name),
  };
  const valid = validity(pool, nowMs);
  if (valid === "expired") return { ...about, permanent: true, reason: `pool ${pool.name} was valid to ${pool.validTo}` };
  if (valid === "not-yet-valid") {
    const expectedMs = Date.parse(pool.validFrom ?? "") - nowMs;
    return { ...about, permanent: false, expectedMs, reason: `pool ${pool.name} is valid from ${pool.validFrom}` };
  }
  if (needed.seats > pool.seats + graceSeats(pool))
    return { ...about, permanent: true, reason: `pool ${pool.name} has ${pool.seats} seats in all` };
  const expectedAt = expectedAtMs({ pool, needed, holders: mine, nowMs, expectedEnd });
  const expectedMs = expectedAt === undefined ? undefined : Math.max(0, expectedAt - nowMs);
  return { ...about, permanent: false, expectedMs, reason: inWords(about.holders, mine.length, expectedMs) };
}

function named(holders: readonly LeaseHolder[], pool: string): string[] {
  return [...holders]
    .sort((a, b) => a.lease.grantedMs - b.lease.grantedMs)
    .slice(0, HOLDERS_NAMED)
    .map(({ name, lease }) => `${name} (${usedSeats(pool, lease.seats)})`);
}

function inWords(holders: readonly string[], count: number, expectedMs: number | undefined): string {
  const more = count > holders.length ? ` and ${count - holders.length} more` : "";
  const expected = expectedMs === undefined ? "nobody can tell when one is returned" : `one expected in ${formatDuration(expectedMs)}`;
  return `held by ${holders.join(", ")}${more}; ${expected}`;
}

/** When the first holders to end leave enough. What is used falls with each, so that the first such end can be bisected. */
function expectedAtMs({ pool, needed, holders, nowMs, expectedEnd }: Lack): number | undefined {
  const ends = holders
    .map((holder) => ({ holder, at: expectedEnd(holder, pool.name) ?? Number.POSITIVE_INFINITY }))
    .sort((a, b) => a.at - b.at);
  const enough = (gone: number): boolean => {
    const left = ends.slice(gone).flatMap(({ holder }) => holder.lease.seats);
    return usedSeats(pool.name, [...left, { ...blank(pool), ...needed }]) <= ceiling(pool, left, nowMs);
  };
  let low = 1;
  let high = ends.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle + 1;
  }
  const at = ends[low - 1]?.at;
  return at === undefined || !Number.isFinite(at) ? undefined : at;
}

/** A seat of a pool before it is anybody's. */
export function blank(pool: LicencePool): Omit<Seat, "seats"> {
  return { pool: pool.name, product: pool.product, metric: pool.metric, sinceMs: 0 };
}

/** The refusal that a shortage is when it is not waited for. */
export function licenceRefusal(shortage: LicenceShortage): IsthmusError {
  const { product, reason, needed, used, max, scope, holders, expectedMs } = shortage;
  if (shortage.permanent) return new IsthmusError("LICENCE_UNAVAILABLE", { product, reason, needed, total: max, pool: scope });
  const retryAfterS = Math.max(1, Math.ceil((expectedMs ?? RETRY_AFTER_MS) / 1000));
  const free = Math.max(0, max - used);
  return new IsthmusError("LICENCE_SHORT", {
    product,
    needed,
    free,
    total: max,
    reason,
    pool: scope,
    holders: [...holders],
    expectedMs,
    retryAfterS,
  });
}
