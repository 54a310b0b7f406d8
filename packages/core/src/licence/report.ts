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

interface Line {
  readonly days: ProductDays;
  readonly uses: { readonly seat: SeatFact; readonly fromMs: number; toMs?: number }[];
  readonly open: Map<string, { readonly seat: SeatFact; readonly fromMs: number; toMs?: number }>;
}

/** Who used what when, from the events alone. They come oldest first; those of earlier times than the span tell how it began. */
export function reportOf(events: Iterable<StoredEvent>, span: ReportSpan): LicenceReport {
  const lines = new Map<string, Line>();
  let completeSince: string | undefined;
  for (const event of events) {
    completeSince ??= event.time;
    const fact = licenceFact(event);
    if (fact === undefined || fact.atMs >= span.untilMs) continue;
    const product = fact.kind === "pool" ? fact.product : fact.seat.product;
    if (span.product !== undefined && span.product !== product) continue;
    const line = lines.get(product) ?? { days: new ProductDays(span.sinceMs), uses: [], open: new Map() };
    lines.set(product, line);
    add(line, fact);
  }
  const products = [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([product, line]) => shown(product, line, span));
  return { since: iso(span.sinceMs), until: iso(span.untilMs), completeSince, products: products.filter(mentioned) };
}

function add(line: Line, fact: LicenceFact): void {
  if (fact.kind === "pool") {
    line.days.pool(fact.atMs, fact.pool, fact.seats);
    return;
  }
  const { seat, atMs } = fact;
  const key = holdingKey(seat.machineId, seat.pool);
  const open = line.open.get(key);
  if (fact.kind === "taken") {
    line.days.take(atMs, seat);
    const use = { seat, fromMs: atMs };
    line.open.set(key, use);
    line.uses.push(use);
  } else if (open) {
    line.days.giveBack(atMs, open.seat);
    line.open.delete(key);
    open.toMs = atMs;
  }
}

function shown(product: string, line: Line, { sinceMs, untilMs }: ReportSpan): LicenceProductReport {
  line.days.advance(untilMs);
  const days = line.days.list();
  const uses = line.uses.filter(({ toMs }) => toMs === undefined || toMs >= sinceMs);
  const { total, used } = line.days;
  return {
    product,
    total,
    used,
    highWater: Math.max(0, ...days.map(({ highWater }) => highWater)),
    days,
    uses: uses.slice(-USES_LISTED).map(useOf),
    usesLeftOut: Math.max(0, uses.length - USES_LISTED),
    forecast: forecast(days, total, untilMs),
  };
}

function useOf({ seat, fromMs, toMs }: Line["uses"][number]): LicenceUse {
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
