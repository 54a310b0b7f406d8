import type { HostStatus, Measure } from "@isthmus/contract";
import type { AdmissionStatus } from "../admission/status.ts";
import { seatsOf, usedSeats } from "../licence/lease.ts";
import type { Context } from "./context.ts";
import { limitUses } from "./host-limits.ts";

/** See `Machines.host`. */
export function hostStatus(context: Context, measures: readonly Measure[]): HostStatus {
  const { admitting } = context;
  const { status } = admitting;
  const { queue, limits, inFlight, limiter } = status;
  return {
    limits: limitUses(context, status),
    queue: {
      length: queue.length,
      max: limits.queueLength,
      oldestMs: queue.oldestMs,
      ageMaxMs: limits.queueAgeMs,
      tenants: tenantsOf(context, queue.tenants),
    },
    starts: {
      inFlight,
      limit: limiter.limit,
      max: limiter.max,
      mode: limiter.mode,
      stretch: limiter.stretch,
      ratePerSecond: limits.ratePerSecond,
      rateBurst: limits.rateBurst,
      kinds: { ...limiter.kinds },
    },
    refusals: Object.fromEntries(admitting.refusals),
    facts: admitting.facts(),
    measures: [...measures],
    seats: seatUses(context),
  };
}

function tenantsOf({ leases, store }: Context, waiting: AdmissionStatus["queue"]["tenants"]): HostStatus["queue"]["tenants"] {
  const queued = new Map(waiting.map((one) => [one.tenant, one.waiting]));
  const held = new Map<string, number>();
  for (const { tenant } of leases.held()) held.set(tenant, (held.get(tenant) ?? 0) + 1);
  const weights = new Map(store.quotas().map(({ tenant, weight }) => [tenant, weight]));
  return [...new Set([...queued.keys(), ...held.keys()])]
    .map((tenant) => ({ tenant, weight: weights.get(tenant) ?? 1, queued: queued.get(tenant) ?? 0, held: held.get(tenant) ?? 0 }))
    .sort((a, b) => b.queued - a.queued || b.held - a.held || (a.tenant < b.tenant ? -1 : 1));
}

function seatUses({ store, licences }: Context): HostStatus["seats"] {
  const pools = licences.pools();
  if (pools.length === 0) return [];
  const seats = seatsOf(store.leases());
  return pools.map(({ name, product, seats: all }) => ({ pool: name, product, used: usedSeats(name, seats), seats: all }));
}
