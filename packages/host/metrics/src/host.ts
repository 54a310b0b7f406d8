import type { HostStatus } from "@isthmus/contract";
import type { MachineCount } from "@isthmus/core";
import { OTHER_TENANTS, TENANTS_MAX } from "./config.ts";
import type { Metric, Sample } from "./exposition.ts";

const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({ name, help, type: "gauge", samples });
const seconds = (ms: number) => ms / 1000;

/** What is there and what is allowed, at this moment. */
export function hostMetrics(status: HostStatus, census: readonly MachineCount[]): Metric[] {
  const { queue, starts, facts, seats, limits, refusals, measures } = status;
  const shown = tenantsShown(status);
  const one = (value: number): readonly Sample[] => [{ value }];
  const seat = ({ pool, product }: HostStatus["seats"][number]) => ({ pool, product });
  const limitLabels = ({ limit, scope, unit }: HostStatus["limits"][number]) => ({
    limit,
    scope: limit.endsWith("-per-tenant") && scope !== undefined && !shown.has(scope) ? OTHER_TENANTS : (scope ?? ""),
    unit,
  });
  const told = limits.filter(({ limit, scope }) => !limit.endsWith("-per-tenant") || scope === undefined || shown.has(scope));
  return [
    gauge("isthmus_machines", "Machines by state, isolation class and tenant.", machines(census, shown)),
    gauge(
      "isthmus_limit_used",
      "How much of a limit is used.",
      told.map((each) => ({ labels: limitLabels(each), value: each.used })),
    ),
    gauge(
      "isthmus_limit_max",
      "A limit.",
      told.map((each) => ({ labels: limitLabels(each), value: each.max })),
    ),
    gauge("isthmus_queue_length", "Starts that wait, by tenant.", queued(queue.tenants, shown)),
    gauge("isthmus_queue_max", "Starts that may wait.", one(queue.max)),
    gauge("isthmus_queue_oldest_seconds", "How long the first start in the queue has waited.", one(seconds(queue.oldestMs))),
    gauge("isthmus_starts_in_flight", "Starts in flight.", one(starts.inFlight)),
    gauge("isthmus_starts_in_flight_limit", "Starts that may be in flight now.", one(starts.limit)),
    gauge("isthmus_start_stretch", "How many times longer than the fastest of their kind starts took of late.", one(starts.stretch)),
    {
      name: "isthmus_refusals_total",
      help: "Starts that were refused since the daemon started, by the limit that they met.",
      type: "counter",
      samples: Object.entries(refusals).map(([limit, value]) => ({ labels: { limit }, value })),
    },
    gauge(
      "isthmus_licence_seats",
      "Seats of a licence pool.",
      seats.map((each) => ({ labels: seat(each), value: each.seats })),
    ),
    gauge(
      "isthmus_licence_seats_used",
      "Seats in use.",
      seats.map((each) => ({ labels: seat(each), value: each.used })),
    ),
    gauge("isthmus_pressure_percent", "Part of the time in which somebody (some) or everybody (full) waited, percent.", pressure(facts)),
    gauge(
      "isthmus_measure_in_force",
      "1 for each measure that is taken against pressure.",
      measures.map((measure) => ({ labels: { measure }, value: 1 })),
    ),
    gauge("isthmus_host_memory_available_bytes", "Memory of the host that is available.", one(facts.memoryAvailableBytes)),
    gauge("isthmus_host_disk_free_bytes", "Disk that is free where the data folder is.", one(facts.diskFreeBytes)),
    gauge("isthmus_host_processes_left", "Processes and threads that can still be started.", one(facts.processesLeft)),
  ];
}

/** Tenants whose series are their own. */
function tenantsShown({ queue }: HostStatus): ReadonlySet<string> {
  const most = [...queue.tenants].sort((a, b) => b.held + b.queued - (a.held + a.queued));
  return new Set(most.slice(0, TENANTS_MAX).map(({ tenant }) => tenant));
}

function machines(census: readonly MachineCount[], shown: ReadonlySet<string>): Sample[] {
  const counted = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const { state, isolation, tenant, count } of census) {
    const labels = { state, isolation, tenant: shown.has(tenant) ? tenant : OTHER_TENANTS };
    const key = Object.values(labels).join(" ");
    const sample = counted.get(key) ?? { labels, value: 0 };
    sample.value += count;
    counted.set(key, sample);
  }
  return [...counted.values()];
}

function queued(tenants: HostStatus["queue"]["tenants"], shown: ReadonlySet<string>): Sample[] {
  const own = tenants.filter(({ tenant }) => shown.has(tenant));
  const rest = tenants.filter(({ tenant }) => !shown.has(tenant)).reduce((sum, one) => sum + one.queued, 0);
  const samples = own.map(({ tenant, queued: value }) => ({ labels: { tenant }, value }));
  return rest === 0 ? samples : [...samples, { labels: { tenant: OTHER_TENANTS }, value: rest }];
}

function pressure({ pressure: sample }: HostStatus["facts"]): Sample[] {
  if (sample === undefined) return [];
  return (["cpu", "memory", "io"] as const).flatMap((resource) => {
    const { some10, some60, full10, full60 } = sample[resource];
    const labels = (kind: string, window: string) => ({ resource, kind, window });
    return [
      { labels: labels("some", "10s"), value: some10 },
      { labels: labels("some", "60s"), value: some60 },
      { labels: labels("full", "10s"), value: full10 },
      { labels: labels("full", "60s"), value: full60 },
    ];
  });
}
