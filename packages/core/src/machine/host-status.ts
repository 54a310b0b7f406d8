import { formatBytes, type HostStatus, type LimitUse, type Measure } from "@isthmus/contract";
import type { LimitSettings } from "../admission/limits.ts";
import type { AdmissionStatus } from "../admission/status.ts";
import { seatsOf, usedSeats } from "../licence/lease.ts";
import type { Context } from "./context.ts";

/** The variable of the daemon's environment that sets each limit. */
export const settingNames: Readonly<Record<keyof LimitSettings, string>> = {
  machines: "ISTHMUS_MACHINES_MAX",
  machinesPerIsolation: "ISTHMUS_MICROVMS_MAX",
  machinesPerTenant: "ISTHMUS_MACHINES_PER_TENANT",
  machinesPerImage: "ISTHMUS_MACHINES_PER_IMAGE",
  cpuOvercommit: "ISTHMUS_CPU_OVERCOMMIT",
  memoryOvercommit: "ISTHMUS_MEMORY_OVERCOMMIT",
  diskOvercommit: "ISTHMUS_DISK_OVERCOMMIT",
  ports: "ISTHMUS_PORTS_MAX",
  queueLength: "ISTHMUS_QUEUE_LENGTH",
  queueAgeMs: "ISTHMUS_QUEUE_AGE",
  limiter: "ISTHMUS_LIMITER",
  startsInFlight: "ISTHMUS_STARTS_IN_FLIGHT",
  startsInFlightMax: "ISTHMUS_STARTS_IN_FLIGHT_MAX",
  ratePerSecond: "ISTHMUS_START_RATE",
  rateBurst: "ISTHMUS_START_BURST",
};

/** See `Machines.host`. */
export function hostStatus(context: Context, measures: readonly Measure[]): HostStatus {
  const { admitting } = context;
  const { queue, limits, inFlight, limiter, ...rest } = admitting.status;
  return {
    limits: limitUses(context, { queue, limits, inFlight, limiter, ...rest }),
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

function limitUses(context: Context, { limits, used, isolations, queue, inFlight, limiter }: AdmissionStatus): LimitUse[] {
  const { settings } = context.admitting;
  const { cpus, memoryTotalBytes, diskFreeBytes } = context.admitting.facts();
  const set = (key: keyof LimitSettings) => settings[key] !== undefined;
  const one = (
    limit: string,
    key: keyof LimitSettings,
    unit: string,
    value: number,
    max: number,
    from: string,
    scope?: string,
  ): LimitUse => ({
    limit,
    scope,
    unit,
    used: value,
    max,
    source: set(key) ? "setting" : "host",
    setting: settingNames[key],
    from: set(key) ? "set" : from,
  });
  const times = (factor: number | undefined, what: string) => `${what} × ${factor ?? "what is usual"}`;
  const small = "as many of the smallest as its memory holds";
  const most = mostOf(context);
  const reserve = `${formatBytes(memoryTotalBytes)} less ${formatBytes(limits.memoryReserveBytes)} for the host`;
  return [
    one("machines", "machines", "machines", used.machines, limits.machines, small),
    one(
      "machines-per-isolation",
      "machinesPerIsolation",
      "machines",
      isolations.microvm,
      limits.machinesPerIsolation.microvm,
      small,
      "microvm",
    ),
    one(
      "machines-per-tenant",
      "machinesPerTenant",
      "machines",
      most.tenant.count,
      limits.machinesPerTenant,
      "as many as the host",
      most.tenant.of,
    ),
    one(
      "machines-per-image",
      "machinesPerImage",
      "machines",
      most.image.count,
      limits.machinesPerImage,
      "as many as the host",
      most.image.of,
    ),
    one("vcpus", "cpuOvercommit", "vcpus", used.vcpus, limits.vcpus, times(ratio(limits.vcpus, cpus), `${cpus} processors`)),
    one(
      "memory",
      "memoryOvercommit",
      "bytes",
      used.memoryBytes,
      limits.memoryBytes,
      `${reserve}${limits.memoryOvercommit === 1 ? "" : ` × ${limits.memoryOvercommit}`}`,
    ),
    one(
      "disk",
      "diskOvercommit",
      "bytes",
      used.diskBytes,
      limits.diskBytes,
      times(ratio(limits.diskBytes, diskFreeBytes), "what was free at the start of the daemon"),
    ),
    one("ports", "ports", "ports", used.ports, limits.ports, "what the kernel leaves for programs"),
    one("queue-length", "queueLength", "requests", queue.length, limits.queueLength, "one for each 4 MiB of memory, 256 to 10,000"),
    one("queue-age", "queueAgeMs", "ms", queue.oldestMs, limits.queueAgeMs, "as usual"),
    one(
      "starts-in-flight",
      limiter.mode === "static" ? "startsInFlight" : "startsInFlightMax",
      "starts",
      inFlight,
      limiter.limit,
      limiter.mode === "static" ? "one for each processor" : `what start times and pressure allow, ${limiter.max} at most`,
    ),
    one("start-rate", "ratePerSecond", "starts", 0, limits.ratePerSecond, "50 for each processor, a second"),
    ...leftOf(context),
  ];
}

function ratio(a: number, b: number): number | undefined {
  return b > 0 ? Math.round((a / b) * 10) / 10 : undefined;
}

/** The tenant and the image that come nearest to their limits. */
function mostOf({ leases }: Context) {
  const tenants = new Map<string, number>();
  const images = new Map<string, number>();
  for (const { tenant, imageDigest } of leases.held()) {
    tenants.set(tenant, (tenants.get(tenant) ?? 0) + 1);
    images.set(imageDigest, (images.get(imageDigest) ?? 0) + 1);
  }
  const first = (counts: ReadonlyMap<string, number>) => {
    const [of, count] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [undefined, 0];
    return { of, count };
  };
  return { tenant: first(tenants), image: first(images) };
}

function leftOf(context: Context): LimitUse[] {
  const { processesLeft, descriptorsLeft } = context.admitting.facts();
  const left = (limit: string, max: number): LimitUse => ({
    limit,
    unit: limit,
    used: 0,
    max,
    source: "host",
    from: "left now, by the host's own limits",
  });
  return [left("processes", processesLeft), left("descriptors", descriptorsLeft)];
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
