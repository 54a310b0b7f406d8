import type { Isolation } from "@isthmus/contract";
import {
  CPU_OVERCOMMIT,
  DISK_OVERCOMMIT,
  HELD_MAX,
  HOST_RESERVE_BYTES,
  HOST_RESERVE_PART,
  MEMORY_OVERCOMMIT,
  OVERHEAD_BYTES,
  PORTS_MAX,
  QUEUE_AGE_MS,
  QUEUE_BYTES_PER_PLACE,
  QUEUE_LENGTH_MAX,
  QUEUE_LENGTH_MIN,
  RATE_BURST_S,
  RATE_PER_CPU,
  SMALLEST_GUEST_BYTES,
  STARTS_PER_CPU,
  STARTS_PER_CPU_MAX,
} from "./config.ts";
import type { HostFacts } from "./request.ts";

/** What an operator may set; what is absent follows from the host. */
export interface LimitSettings {
  readonly machines?: number;
  readonly machinesPerIsolation?: Partial<Record<Isolation, number>>;
  readonly machinesPerTenant?: number;
  readonly machinesPerImage?: number;
  readonly cpuOvercommit?: number;
  readonly memoryOvercommit?: number;
  readonly diskOvercommit?: number;
  readonly ports?: number;
  readonly queueLength?: number;
  readonly queueAgeMs?: number;
  /** `static` keeps `startsInFlight` as it is */
  readonly limiter?: "adaptive" | "static";
  /** static: how many; adaptive: with how many it begins */
  readonly startsInFlight?: number;
  readonly startsInFlightMax?: number;
  /** machines per second; 0: no such limit */
  readonly ratePerSecond?: number;
  readonly rateBurst?: number;
}

/** Every limit in force. Memory and disk in bytes; `memoryBytes` and `vcpus` are what may be promised. */
export interface Limits {
  readonly machines: number;
  readonly machinesPerIsolation: Readonly<Record<Isolation, number>>;
  readonly machinesPerTenant: number;
  readonly machinesPerImage: number;
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly memoryOvercommit: number;
  /** of the memory that is available, what machines do not get */
  readonly memoryReserveBytes: number;
  readonly diskBytes: number;
  readonly ports: number;
  readonly queueLength: number;
  readonly queueAgeMs: number;
  readonly limiter: "adaptive" | "static";
  readonly startsInFlight: number;
  readonly startsInFlightMax: number;
  readonly ratePerSecond: number;
  readonly rateBurst: number;
}

/** Memory that is kept back from machines, bytes. */
export function memoryReserve(totalBytes: number): number {
  return Math.min(HOST_RESERVE_BYTES, Math.floor(totalBytes * HOST_RESERVE_PART));
}

/** The limits of a host: what is set, and for the rest what its size gives. */
export function limitsOf(facts: HostFacts, settings: LimitSettings = {}): Limits {
  const reserve = memoryReserve(facts.memoryTotalBytes);
  const memoryOvercommit = settings.memoryOvercommit ?? MEMORY_OVERCOMMIT;
  const memoryBytes = Math.floor((facts.memoryTotalBytes - reserve) * memoryOvercommit);
  const fit = (overhead: number) => Math.max(1, Math.min(HELD_MAX, Math.floor(memoryBytes / (SMALLEST_GUEST_BYTES + overhead))));
  const machines = settings.machines ?? fit(OVERHEAD_BYTES.container);
  const perIsolation = (isolation: Isolation) =>
    settings.machinesPerIsolation?.[isolation] ?? Math.min(machines, fit(OVERHEAD_BYTES[isolation]));
  const places = Math.floor(facts.memoryTotalBytes / QUEUE_BYTES_PER_PLACE);
  const ratePerSecond = settings.ratePerSecond ?? facts.cpus * RATE_PER_CPU;
  return {
    machines,
    machinesPerIsolation: { microvm: perIsolation("microvm"), container: perIsolation("container"), vm: perIsolation("vm") },
    machinesPerTenant: settings.machinesPerTenant ?? machines,
    machinesPerImage: settings.machinesPerImage ?? machines,
    vcpus: Math.floor(facts.cpus * (settings.cpuOvercommit ?? CPU_OVERCOMMIT)),
    memoryBytes,
    memoryOvercommit,
    memoryReserveBytes: reserve,
    diskBytes: Math.floor(facts.diskFreeBytes * (settings.diskOvercommit ?? DISK_OVERCOMMIT)),
    ports: settings.ports ?? PORTS_MAX,
    queueLength: settings.queueLength ?? Math.max(QUEUE_LENGTH_MIN, Math.min(QUEUE_LENGTH_MAX, places)),
    queueAgeMs: settings.queueAgeMs ?? QUEUE_AGE_MS,
    limiter: settings.limiter ?? "adaptive",
    startsInFlight: Math.max(1, settings.startsInFlight ?? facts.cpus * STARTS_PER_CPU),
    startsInFlightMax: Math.max(1, settings.startsInFlightMax ?? facts.cpus * STARTS_PER_CPU_MAX),
    ratePerSecond,
    rateBurst: Math.max(1, settings.rateBurst ?? ratePerSecond * RATE_BURST_S),
  };
}
