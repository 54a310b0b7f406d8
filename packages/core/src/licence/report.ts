import type { LicenceProductReport, LicenceReport, LicenceUse } from "@isthmus/contract";
import type { StoredEvent } from "../machine/stored-events.ts";
import { USES_LISTED } from "./config.ts";
import { holdingKey, type LicenceFact, licenceFact, type SeatFact } from "./event-facts.ts";
import { forecast } from "./forecast.ts";
import { ProductDays } from "./product-days.ts";

export interface ReportSpan {
  /** ms since 1970; the first is in, the second is not */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** one product only */
  readonly product?: string;
}

/** Who used what when, from the events alone, given one by one, oldest first; those of earlier times than the span tell how it began. */
export class LicenceReporting {
  readonly #span: ReportSpan;
  readonly #products = new Map<string, Product>();
  #completeSince: string | undefined;

  constructor(span: ReportSpan) {
    this.#span = span;
  }

  add(event: StoredEvent): void {
    const { sinceMs, untilMs, product: only } = this.#span;
    this.#completeSince ??= event.time;
    const fact = licenceFact(event);
    if (fact === undefined || fact.atMs >= untilMs) return;
    const name = fact.kind === "pool" ? fact.product : fact.seat.product;
    if (only !== undefined && only !== name) return;
    const product = this.#products.get(name) ?? new Product(sinceMs);
    this.#products.set(name, product);
    product.add(fact);
  }

  result(): LicenceReport {
    const { sinceMs, untilMs } = this.#span;
    const products = [...this.#products].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, product]) => product.shown(name, untilMs));
    return { since: iso(sinceMs), until: iso(untilMs), completeSince: this.#completeSince, products: products.filter(mentioned) };
  }
}

interface Use {
  readonly seat: SeatFact;
  readonly fromMs: number;
  toMs?: number;
}

class Product {
  readonly #sinceMs: number;
  readonly #days: ProductDays;
  readonly #open = new Map<string, Use>();
  /** in the order of their beginnings; of those that the span does not touch, some */
  #uses: Use[] = [];
  #leftOut = 0;

  constructor(sinceMs: number) {
    this.#sinceMs = sinceMs;
    this.#days = new ProductDays(sinceMs);
  }

  add(fact: LicenceFact): void {
    if (fact.kind === "pool") {
      this.#days.pool(fact.atMs, fact.pool, fact.seats);
      return;
    }
    const { seat, atMs } = fact;
    const key = holdingKey(seat.machineId, seat.pool);
    const open = this.#open.get(key);
    if (fact.kind === "taken") {
      this.#days.take(atMs, seat);
      const use = { seat, fromMs: atMs };
      this.#open.set(key, use);
      this.#uses.push(use);
      if (this.#uses.length >= 2 * USES_LISTED) this.#thinOut(atMs);
    } else if (open) {
      this.#days.giveBack(atMs, open.seat);
      this.#open.delete(key);
      open.toMs = atMs;
    }
  }

  shown(product: string, untilMs: number): LicenceProductReport {
    this.#days.advance(untilMs);
    this.#thinOut(untilMs);
    const days = this.#days.list();
    const { total, used } = this.#days;
    return {
      product,
      total,
      used,
      highWater: days.reduce((most, { highWater }) => Math.max(most, highWater), 0),
      days,
      uses: this.#uses.map(useOf),
      usesLeftOut: this.#leftOut,
      forecast: forecast(days, total, untilMs),
    };
  }

  /** However long the log is, no more uses are kept than are listed: once the span has begun, what is open or ends touches it. */
  #thinOut(nowMs: number): void {
    this.#uses = this.#uses.filter(({ toMs }) => toMs === undefined || toMs >= this.#sinceMs);
    if (nowMs < this.#sinceMs) return;
    const over = Math.max(0, this.#uses.length - USES_LISTED);
    this.#leftOut += over;
    this.#uses.splice(0, over);
  }
}

function useOf({ seat, fromMs, toMs }: Use): LicenceUse {
  const { pool, machineId, machineName, tenant, user, image, seats } = seat;
  return { pool, machineId, machineName, tenant, user, image, seats, from: iso(fromMs), to: toMs === undefined ? undefined : iso(toMs) };
}

/** A product whose pools are gone and that nobody used is none of this span. */
function mentioned({ total, days, used }: LicenceProductReport): boolean {
  return total > 0 || used > 0 || days.length > 0;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
