import type { LicenceMetric, MachineState } from "@isthmus/contract";

/** Seats of one pool that a machine holds. */
export interface Seat {
  readonly pool: string;
  readonly product: string;
  readonly metric: LicenceMetric;
  readonly seats: number;
  /** seats of a pool under the same name count once, as many as the largest of them: `host` or `user:NAME` */
  readonly share?: string;
  /** ms since 1970 when they were taken */
  readonly sinceMs: number;
  /** a suspended machine keeps them */
  readonly keep?: true;
  /** ms since 1970 since when the pool is used beyond its seats; absent when this seat is within them */
  readonly overSinceMs?: number;
}

/** What a machine holds whose start was granted, until it settles. */
export interface Lease {
  /** ms since 1970 */
  readonly grantedMs: number;
  readonly seats: readonly Seat[];
}

/** A machine with a lease. */
export interface LeaseHolder {
  readonly id: string;
  readonly name: string;
  readonly state: MachineState;
  /** the default one when absent */
  readonly tenant?: string;
  readonly lease: Lease;
  /** ms from its start after which the machine is stopped */
  readonly ttlMs?: number;
}

/** Seats of a pool in use: those of a share once, all others each. */
export function usedSeats(pool: string, seats: Iterable<Seat>): number {
  let used = 0;
  const shares = new Map<string, number>();
  for (const seat of seats) {
    if (seat.pool !== pool) continue;
    if (seat.share === undefined) used += seat.seats;
    else shares.set(seat.share, Math.max(shares.get(seat.share) ?? 0, seat.seats));
  }
  for (const shared of shares.values()) used += shared;
  return used;
}

/** All seats of these machines. */
export function seatsOf(holders: readonly LeaseHolder[]): Seat[] {
  return holders.flatMap(({ lease }) => lease.seats);
}

/** What is left of a lease in a state: nothing once a machine has settled, what its pools let it keep while it is suspended. */
export function leaseIn(state: MachineState, lease: Lease | undefined): Lease | undefined {
  if (lease === undefined) return undefined;
  if (state === "suspended") {
    const seats = lease.seats.filter(({ keep }) => keep === true);
    return seats.length === 0 ? undefined : { ...lease, seats };
  }
  return state === "exited" || state === "failed" || state === "refused" || state === "requested" ? undefined : lease;
}

/** True when nothing was taken or returned between the two. */
export function sameSeat(one: Seat, other: Seat): boolean {
  return one.pool === other.pool && one.product === other.product && one.share === other.share && one.seats === other.seats;
}

/** What went and what came; what both hold is neither. */
export function seatChanges(
  before: Lease | undefined,
  after: Lease | undefined,
): { readonly returned: readonly Seat[]; readonly taken: readonly Seat[] } {
  const had = before?.seats ?? [];
  const has = after?.seats ?? [];
  return {
    returned: had.filter((seat) => !has.some((other) => sameSeat(seat, other))),
    taken: has.filter((seat) => !had.some((other) => sameSeat(seat, other))),
  };
}
