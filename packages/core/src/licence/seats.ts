import type { LicencePool } from "@isthmus/contract";
import { type LeaseHolder, type Seat, seatsOf, usedSeats } from "./lease.ts";
import { ceiling, demand, overSince, type SeatFacts, validity } from "./pool.ts";
import { blank, type ExpectedEnd, type LicenceShortage, noPool, shortageOf } from "./shortage.ts";

/** A start that needs seats. */
export interface SeatRequest extends SeatFacts {
  /** of the machine; what it holds already stays its own */
  readonly id: string;
  /** each once */
  readonly products: readonly string[];
}

/** What seats are taken from. */
export interface SeatStock {
  readonly pools: readonly LicencePool[];
  readonly holders: readonly LeaseHolder[];
  /** nobody can tell when absent */
  readonly expectedEnd?: ExpectedEnd;
}

/** All seats that a start needs, or why one product has none; never a part of them. Pure. */
export function seatsFor(
  request: SeatRequest,
  stock: SeatStock,
  nowMs: number,
): { readonly seats: readonly Seat[] } | { readonly shortage: LicenceShortage } {
  const own = seatsOf(stock.holders.filter(({ id }) => id === request.id));
  const others = stock.holders.filter(({ id }) => id !== request.id);
  const seats: Seat[] = own.filter(({ product }) => request.products.includes(product));
  for (const product of request.products) {
    if (seats.some((seat) => seat.product === product)) continue;
    const held = [...seatsOf(others), ...seats];
    const pools = byUse(stock.pools.filter((pool) => pool.product === product));
    const found = pools.map((pool) => seatOf(pool, request, held, nowMs)).find((seat) => seat !== undefined);
    if (found === undefined) return { shortage: nearest(product, pools, request, { ...stock, holders: others }, nowMs) };
    seats.push(found);
  }
  return { seats };
}

/** What expires first is used first. */
function byUse(pools: readonly LicencePool[]): LicencePool[] {
  const end = ({ validTo }: LicencePool) => (validTo === undefined ? Number.POSITIVE_INFINITY : Date.parse(validTo));
  return [...pools].sort((a, b) => (end(a) === end(b) ? (a.name < b.name ? -1 : 1) : end(a) - end(b)));
}

function seatOf(pool: LicencePool, facts: SeatFacts, held: readonly Seat[], nowMs: number): Seat | undefined {
  const valid = validity(pool, nowMs);
  if (valid === "expired" || valid === "not-yet-valid") return undefined;
  const seat: Seat = { ...blank(pool), ...demand(pool, facts), sinceMs: nowMs };
  const before = usedSeats(pool.name, held);
  const after = usedSeats(pool.name, [...held, seat]);
  if (after > before && after > ceiling(pool, held, nowMs)) return undefined;
  const over = after > pool.seats ? { overSinceMs: overSince(pool, held) ?? nowMs } : {};
  return { ...seat, ...over, ...(pool.onSuspend === "keep" ? { keep: true as const } : {}) };
}

/** The pool whose seat is to be had soonest tells why there is none. */
function nearest(product: string, pools: readonly LicencePool[], facts: SeatFacts, stock: SeatStock, nowMs: number): LicenceShortage {
  const { holders, expectedEnd = () => undefined } = stock;
  const shortages = pools.map((pool) => shortageOf({ pool, needed: demand(pool, facts), holders, nowMs, expectedEnd }));
  const rank = (one: LicenceShortage) => (one.permanent ? Number.POSITIVE_INFINITY : (one.expectedMs ?? Number.MAX_VALUE));
  return shortages.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)))[0] ?? noPool(product);
}
