import { formatBytes, type LimitUse } from "@isthmus/contract";
import type { LimitSettings } from "../admission/limits.ts";
import type { AdmissionStatus } from "../admission/status.ts";
import type { Context } from "./context.ts";

/** The variable of the daemon's environment that sets each limit. */
const settingNames: Readonly<Record<keyof LimitSettings, string>> = {
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

type Key = keyof LimitSettings;
/** limit, what sets it, unit, used, most, where it comes from unless it is set, what it is of */
type Row = readonly [limit: string, key: Key, unit: string, used: number, max: number, from: string, scope?: string];

/** Every limit of the host with what is used of it. */
export function limitUses(context: Context, status: AdmissionStatus): LimitUse[] {
  const { settings } = context.admitting;
  const rows = [...machineRows(context, status), ...capacityRows(context, status), ...startRows(status)];
  const limits = rows.map(([limit, key, unit, used, max, from, scope]): LimitUse => {
    const set = settings[key] !== undefined;
    return { limit, scope, unit, used, max, source: set ? "setting" : "host", setting: settingNames[key], from: set ? "set" : from };
  });
  return [...limits, ...leftOf(context)];
}

const SMALLEST = "as many of the smallest as its memory holds";
const WHOLE_HOST = "as many as the host";

function machineRows(context: Context, { limits, used, isolations }: AdmissionStatus): Row[] {
  const { tenant, image } = mostOf(context);
  const { machines, machinesPerIsolation, machinesPerTenant, machinesPerImage } = limits;
  return [
    ["machines", "machines", "machines", used.machines, machines, SMALLEST],
    ["machines-per-isolation", "machinesPerIsolation", "machines", isolations.microvm, machinesPerIsolation.microvm, SMALLEST, "microvm"],
    ["machines-per-tenant", "machinesPerTenant", "machines", tenant.count, machinesPerTenant, WHOLE_HOST, tenant.of],
    ["machines-per-image", "machinesPerImage", "machines", image.count, machinesPerImage, WHOLE_HOST, image.of],
  ];
}

function capacityRows({ admitting }: Context, { limits, used }: AdmissionStatus): Row[] {
  const { cpus, memoryTotalBytes, diskFreeBytes } = admitting.facts();
  const reserve = `${formatBytes(memoryTotalBytes)} less ${formatBytes(limits.memoryReserveBytes)} for the host`;
  const memory = limits.memoryOvercommit === 1 ? reserve : `${reserve} × ${limits.memoryOvercommit}`;
  const vcpus = `${cpus} processors × ${ratio(limits.vcpus, cpus)}`;
  const disk = `${formatBytes(diskFreeBytes)} free × ${ratio(limits.diskBytes, diskFreeBytes)}`;
  return [
    ["vcpus", "cpuOvercommit", "vcpus", used.vcpus, limits.vcpus, vcpus],
    ["memory", "memoryOvercommit", "bytes", used.memoryBytes, limits.memoryBytes, memory],
    ["disk", "diskOvercommit", "bytes", used.diskBytes, limits.diskBytes, disk],
    ["ports", "ports", "ports", used.ports, limits.ports, "what the kernel leaves for programs"],
  ];
}

function startRows({ limits, limiter, queue, inFlight }: AdmissionStatus): Row[] {
  const { queueLength, queueAgeMs, ratePerSecond } = limits;
  const fixed = limiter.mode === "static";
  const key = fixed ? "startsInFlight" : "startsInFlightMax";
  const allowed = fixed ? "one for each processor" : `what start times and pressure allow, ${limiter.max} at most`;
  return [
    ["queue-length", "queueLength", "requests", queue.length, queueLength, "by the host's memory, 256 to 10,000"],
    ["queue-age", "queueAgeMs", "ms", queue.oldestMs, queueAgeMs, "half an hour"],
    ["starts-in-flight", key, "starts", inFlight, limiter.limit, allowed],
    ["start-rate", "ratePerSecond", "starts a second", 0, ratePerSecond, "50 for each processor; 0: none"],
  ];
}

function ratio(a: number, b: number): string {
  return b > 0 ? String(a / b >= 10 ? Math.round(a / b) : Math.round((a / b) * 10) / 10) : "?";
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

function leftOf({ admitting }: Context): LimitUse[] {
  const { processesLeft, descriptorsLeft } = admitting.facts();
  const from = "left now, by the host's own limits";
  const left = (limit: string, max: number): LimitUse => ({ limit, unit: limit, used: 0, max, source: "host", from });
  return [left("processes", processesLeft), left("descriptors", descriptorsLeft)];
}
