import { DAY_MS, DIURNAL_SWING, RUN_MAX_MS, SERVERLESS_LOG_MEAN, SERVERLESS_LOG_SIGMA } from "./config.ts";
import type { Random } from "./random.ts";
import type { TenantScenario } from "./scenario.ts";

const MINUTE_MS = 60_000;

/** The moments at which a tenant asks for a start, ms, in order, before `endMs`. */
export function* momentsOf({ arrivals }: TenantScenario, endMs: number, random: Random): Generator<number, void> {
  if (arrivals.pattern === "burst") {
    for (let at = arrivals.atMs ?? 0; at < endMs; at += arrivals.everyMs ?? Number.POSITIVE_INFINITY) {
      for (let n = 0; n < arrivals.starts; n += 1) yield at;
    }
    return;
  }
  const steady = arrivals.pattern === "steady";
  // A rate that changes is thinned out from its highest (Lewis and Shedler, 1979).
  const highest = (arrivals.perMinute / MINUTE_MS) * (steady ? 1 : 1 + DIURNAL_SWING);
  for (let at = random.exponential() / highest; at < endMs; at += random.exponential() / highest) {
    if (steady || random.next() < (1 - DIURNAL_SWING * Math.cos((2 * Math.PI * at) / DAY_MS)) / (1 + DIURNAL_SWING)) yield at;
  }
}

/** How long one machine runs, ms. */
export function runMs({ runs }: TenantScenario, random: Random): number {
  if (runs.distribution === "fixed") return runs.ms;
  if (runs.distribution === "exponential") return runs.meanMs * random.exponential();
  return Math.min(RUN_MAX_MS, 1000 * Math.exp(SERVERLESS_LOG_MEAN + SERVERLESS_LOG_SIGMA * random.normal()));
}
