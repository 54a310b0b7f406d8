import type { AdmissionSettings } from "@isthmus/core";
import { count, duration, type Environment, invalid, type Read, setting } from "./setting.ts";

/** More than this promises a host to death, whatever its machines do. */
const MEMORY_OVERCOMMIT_MAX = 32;
/** The largest factor for what is shared out by the kernel or sparse. */
const OVERCOMMIT_MAX = 10_000;
const COUNT_MAX = 1_000_000;

/** Limits from `ISTHMUS_*` variables; what is not set follows from the host. Throws CONFIG_INVALID. */
export function readAdmission(env: Environment): AdmissionSettings {
  const one = (field: string, read: Read) => setting(env, field, read);
  const microvm = one("ISTHMUS_MICROVMS_MAX", count(1, COUNT_MAX));
  return present({
    machines: one("ISTHMUS_MACHINES_MAX", count(1, COUNT_MAX)),
    machinesPerIsolation: microvm === undefined ? undefined : { microvm },
    machinesPerTenant: one("ISTHMUS_MACHINES_PER_TENANT", count(1, COUNT_MAX)),
    machinesPerImage: one("ISTHMUS_MACHINES_PER_IMAGE", count(1, COUNT_MAX)),
    cpuOvercommit: one("ISTHMUS_CPU_OVERCOMMIT", factor(OVERCOMMIT_MAX)),
    memoryOvercommit: one("ISTHMUS_MEMORY_OVERCOMMIT", factor(MEMORY_OVERCOMMIT_MAX)),
    diskOvercommit: one("ISTHMUS_DISK_OVERCOMMIT", factor(OVERCOMMIT_MAX)),
    ports: one("ISTHMUS_PORTS_MAX", count(0, COUNT_MAX)),
    queueLength: one("ISTHMUS_QUEUE_LENGTH", count(1, COUNT_MAX)),
    queueAgeMs: one("ISTHMUS_QUEUE_AGE", duration()),
    maxWaitMs: one("ISTHMUS_MAX_WAIT", duration()),
    limiter: limiter(env.ISTHMUS_LIMITER),
    startsInFlight: one("ISTHMUS_STARTS_IN_FLIGHT", count(1, COUNT_MAX)),
    startsInFlightMax: one("ISTHMUS_STARTS_IN_FLIGHT_MAX", count(1, COUNT_MAX)),
    ratePerSecond: one("ISTHMUS_START_RATE", count(0, COUNT_MAX)),
    rateBurst: one("ISTHMUS_START_BURST", count(1, COUNT_MAX)),
  });
}

function present<T extends object>(settings: T): T {
  for (const [key, value] of Object.entries(settings)) if (value === undefined) Reflect.deleteProperty(settings, key);
  return settings;
}

function limiter(value: string | undefined): AdmissionSettings["limiter"] {
  if (!value) return undefined;
  if (value === "adaptive" || value === "static") return value;
  throw invalid("ISTHMUS_LIMITER", value, "must be adaptive or static");
}

function factor(most: number): Read {
  return (value, field) => {
    const number = /^\d{1,5}(\.\d{1,3})?$/.test(value) ? Number(value) : Number.NaN;
    if (number >= 1 && number <= most) return number;
    throw invalid(field, value, `must be a number from 1 to ${most}, such as 1.5`);
  };
}
