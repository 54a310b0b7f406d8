import type { LicenceAudit, LicencePool } from "@isthmus/contract";
import type { StoredEvent } from "../machine/stored-events.ts";
import { holdingKey, licenceFact, type SeatFact } from "./event-facts.ts";
import type { LeaseHolder } from "./lease.ts";
import { SeatCount } from "./seat-count.ts";

/** differences that are told one by one */
const DIFFERENCES_TOLD = 100;

/**
 * Adds up the event log, given event by event, oldest first, and compares: what each event says is in use with what those before it add up to, and the end
 * of it with the machines and pools that there are. Neither side is computed from the other.
 */
export class LicenceAuditing {
  readonly #differences: string[] = [];
  readonly #open = new Map<string, SeatFact>();
  readonly #pools = new Map<string, number>();
  readonly #counts = new Map<string, SeatCount>();
  #seen = 0;
  #different = 0;
  #firstMs: number | undefined;

  /** With the machines and pools as the events leave them. */
  result(holders: readonly LeaseHolder[], pools: readonly LicencePool[]): LicenceAudit {
    const now = [...compareHolders(this.#open, holders), ...comparePools(this.#pools, pools)];
    const all = this.#different + now.length;
    const told = [...this.#differences, ...now].slice(0, DIFFERENCES_TOLD);
    const differences = all > told.length ? [...told, `and ${all - told.length} more`] : told;
    return { ok: all === 0, events: this.#seen, differences };
  }

  add(event: StoredEvent): void {
    this.#seen += 1;
    const fact = licenceFact(event);
    if (fact === undefined) return;
    this.#firstMs ??= fact.atMs;
    if (fact.kind === "pool") {
      if (fact.seats === undefined) this.#pools.delete(fact.pool);
      else this.#pools.set(fact.pool, fact.seats);
      return;
    }
    const { seat, seq, kind } = fact;
    const key = holdingKey(seat.machineId, seat.pool);
    const count = this.#counts.get(seat.pool) ?? new SeatCount();
    this.#counts.set(seat.pool, count);
    const open = this.#open.get(key);
    if (kind === "taken") {
      if (open) this.#differ(seq, `${seat.machineName} takes seats of ${seat.pool} that it holds already`);
      else this.#take(key, seat, count);
      if (seat.used > seat.total && !seat.over) this.#differ(seq, `${seat.used} of ${seat.total} seats of ${seat.pool} are in use`);
    } else if (open) {
      this.#open.delete(key);
      count.giveBack(open);
    } else if (seat.sinceMs >= (this.#firstMs ?? 0)) {
      this.#differ(seq, `${seat.machineName} returns seats of ${seat.pool} that it never took`);
    }
    if (count.used !== seat.used) this.#differ(seq, `it says ${seat.used} seats of ${seat.pool} in use, the log adds up to ${count.used}`);
  }

  #take(key: string, seat: SeatFact, count: SeatCount): void {
    this.#open.set(key, seat);
    count.take(seat);
  }

  #differ(seq: number, what: string): void {
    this.#different += 1;
    if (this.#differences.length < DIFFERENCES_TOLD) this.#differences.push(`event ${seq}: ${what}`);
  }
}

function compareHolders(open: ReadonlyMap<string, SeatFact>, holders: readonly LeaseHolder[]): string[] {
  const held = new Map(
    holders.flatMap(({ id, name, lease }) => lease.seats.map((seat) => [holdingKey(id, seat.pool), { name, seat }] as const)),
  );
  const leaked = [...open]
    .filter(([key]) => !held.has(key))
    .map(([, seat]) => `${seat.machineName} took seats of ${seat.pool} and holds none`);
  const unknown = [...held].filter(([key, { seat }]) => open.get(key)?.seats !== seat.seats);
  return [
    ...leaked,
    ...unknown.map(([, { name, seat }]) => `${name} holds ${seat.seats} seats of ${seat.pool} that the log does not know`),
  ];
}

function comparePools(logged: ReadonlyMap<string, number>, pools: readonly LicencePool[]): string[] {
  const gone = [...logged.keys()].filter((name) => !pools.some((pool) => pool.name === name));
  const other = pools.filter(({ name, seats }) => logged.get(name) !== seats);
  return [
    ...gone.map((name) => `the log has a pool ${name} that is gone`),
    ...other.map(({ name, seats }) => `pool ${name} has ${seats} seats, by the log ${logged.get(name) ?? "there is none"}`),
  ];
}
