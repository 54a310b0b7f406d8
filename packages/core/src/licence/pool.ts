import type { LicencePool } from "@isthmus/contract";
import { GRACE_MS, GRACE_PART } from "./config.ts";
import { type Seat, usedSeats } from "./lease.ts";

/** What decides how many seats of a pool a machine needs. */
export interface SeatFacts {
  readonly cpus: number;
  readonly hostCores: number;
  readonly user: string;
}

/** Seats that a machine needs of a pool, by its metric. */
export function demand(pool: LicencePool, facts: SeatFacts): Pick<Seat, "seats" | "share"> {
  switch (pool.metric) {
    case "per-machine":
    case "concurrent":
      return { seats: 1 };
    case "per-vcpu":
      return { seats: Math.max(facts.cpus, pool.minimumPerMachine ?? 1) };
    case "per-host-core":
      return { seats: facts.hostCores, share: "host" };
    case "per-named-user":
      return { seats: 1, share: `user:${facts.user}` };
  }
}

export function graceMs(pool: LicencePool): number {
  return pool.limit === "soft" ? (pool.graceMs ?? GRACE_MS) : 0;
}

/** Seats beyond its own that a pool may lend at most. */
export function graceSeats(pool: LicencePool): number {
  return pool.limit === "soft" ? (pool.graceSeats ?? Math.ceil(pool.seats * GRACE_PART)) : 0;
}

/** ms since 1970 since when more seats are in use than there are; undefined when it is not so. */
export function overSince(pool: LicencePool, held: readonly Seat[]): number | undefined {
  if (usedSeats(pool.name, held) <= pool.seats) return undefined;
  // The newest seat beyond the limit knows when the present time of overuse began; without one, seats were taken away from the pool.
  const marked = held.filter((seat) => seat.pool === pool.name && seat.overSinceMs !== undefined);
  const newest = marked.sort((a, b) => b.sinceMs - a.sinceMs)[0];
  return newest?.overSinceMs ?? Date.parse(pool.updatedAt);
}

/** Most seats that may be in use at this moment. */
export function ceiling(pool: LicencePool, held: readonly Seat[], nowMs: number): number {
  const since = overSince(pool, held);
  const inGrace = since === undefined || nowMs < since + graceMs(pool);
  return pool.seats + (inGrace ? graceSeats(pool) : 0);
}

export type Validity = "ok" | "grace" | "not-yet-valid" | "expired";

export function validity(pool: LicencePool, nowMs: number): Validity {
  if (pool.validFrom !== undefined && nowMs < Date.parse(pool.validFrom)) return "not-yet-valid";
  if (pool.validTo === undefined) return "ok";
  const endMs = Date.parse(pool.validTo);
  if (nowMs < endMs) return "ok";
  return nowMs < endMs + graceMs(pool) ? "grace" : "expired";
}
