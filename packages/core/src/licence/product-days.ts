import type { LicenceDay } from "@isthmus/contract";
import { DAY_MS } from "./config.ts";
import { type CountedSeat, SeatCount } from "./seat-count.ts";

interface Day {
  highWater: number;
  highWaterMs: number;
  total: number;
  taken: number;
  returned: number;
  /** seats times ms */
  seatMs: number;
}

/** Seats of one product through time, day by day (UTC). Fed in order of time. */
export class ProductDays {
  readonly #sinceMs: number;
  readonly #count = new SeatCount();
  readonly #pools = new Map<string, number>();
  readonly #days = new Map<number, Day>();
  #atMs: number;

  constructor(sinceMs: number) {
    this.#sinceMs = sinceMs;
    this.#atMs = sinceMs;
  }

  get used(): number {
    return this.#count.used;
  }

  get total(): number {
    let total = 0;
    for (const seats of this.#pools.values()) total += seats;
    return total;
  }

  /** undefined: the pool is gone */
  pool(atMs: number, name: string, seats: number | undefined): void {
    this.advance(atMs);
    if (seats === undefined) this.#pools.delete(name);
    else this.#pools.set(name, seats);
  }

  take(atMs: number, seat: CountedSeat): void {
    this.advance(atMs);
    this.#count.take(seat);
    if (atMs < this.#sinceMs) return;
    this.#mark(atMs);
    this.#day(atMs).taken += 1;
  }

  giveBack(atMs: number, seat: CountedSeat): void {
    this.advance(atMs);
    this.#count.giveBack(seat);
    if (atMs >= this.#sinceMs) this.#day(atMs).returned += 1;
  }

  /** Time passes with the seats that are in use. */
  advance(untilMs: number): void {
    while (this.#atMs < untilMs) {
      const dayEnd = (Math.floor(this.#atMs / DAY_MS) + 1) * DAY_MS;
      const to = Math.min(dayEnd, untilMs);
      if (this.used > 0) {
        this.#mark(this.#atMs);
        this.#day(this.#atMs).seatMs += this.used * (to - this.#atMs);
      }
      // Days on which nothing is in use are passed over at once, however many there are.
      this.#atMs = this.used > 0 ? to : untilMs;
    }
  }

  list(): LicenceDay[] {
    return Array.from(this.#days, ([number, day]) => ({
      day: new Date(number * DAY_MS).toISOString().slice(0, 10),
      highWater: day.highWater,
      highWaterAt: new Date(day.highWaterMs).toISOString(),
      total: day.total,
      taken: day.taken,
      returned: day.returned,
      seatHours: Math.round(day.seatMs / 3600) / 1000,
    }));
  }

  #mark(atMs: number): void {
    const day = this.#day(atMs);
    if (this.used <= day.highWater) return;
    day.highWater = this.used;
    day.highWaterMs = atMs;
    day.total = this.total;
  }

  #day(atMs: number): Day {
    const number = Math.floor(atMs / DAY_MS);
    const known = this.#days.get(number);
    if (known) return known;
    const day = { highWater: 0, highWaterMs: atMs, total: this.total, taken: 0, returned: 0, seatMs: 0 };
    this.#days.set(number, day);
    return day;
  }
}
