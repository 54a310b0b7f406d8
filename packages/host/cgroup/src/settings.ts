import type { Resources } from "@isthmus/contract";
import { BFQ_WEIGHT_MAX, CPU_PERIOD_US, CPU_QUOTA_MIN_US, SHARES_DEFAULT, SHARES_MAX, SHARES_MIN, WEIGHT_DEFAULT } from "./config.ts";
import type { Controller } from "./mounts.ts";

/** One limit as the kernel takes it: the first of `files` that exists gets `value`. */
export interface Setting {
  /** of the spec */
  readonly field: keyof Resources;
  readonly controller: Controller;
  readonly files: readonly string[];
  readonly value: string;
}

type Limits = Omit<Resources, "ioReadBps" | "ioWriteBps" | "ioReadIops" | "ioWriteIops">;

/** Limits as writes to one version's files (admin-guide/cgroup-v2.rst, cgroup-v1/ of the kernel's documentation). Pure. */
export function settings(version: "v1" | "v2", limits: Limits): readonly Setting[] {
  const { cpuMax, memoryMaxBytes, pidsMax } = limits;
  return [
    ...weights(version, limits),
    ...(cpuMax === undefined ? [] : cpuLimit(version, cpuMax)),
    ...(memoryMaxBytes === undefined
      ? []
      : [setting("memoryMaxBytes", "memory", [version === "v2" ? "memory.max" : "memory.limit_in_bytes"], most(version, memoryMaxBytes))]),
    ...(pidsMax === undefined ? [] : [setting("pidsMax", "pids", ["pids.max"], most(version, pidsMax, "max"))]),
  ];
}

/** Of limits that only `former` has, what the kernel takes for none. Pure. */
export function unlimited(limits: Limits, former: Limits): Limits {
  const hard = ["cpuMax", "memoryMaxBytes", "pidsMax"] as const;
  const gone = hard.filter((name) => former[name] !== undefined && limits[name] === undefined);
  return Object.fromEntries(gone.map((name) => [name, Number.POSITIVE_INFINITY]));
}

/** A limit on memory or processes, which v1 writes -1 for none, but for processes. */
function most(version: "v1" | "v2", value: number, none = "-1"): string | number {
  if (Number.isFinite(value)) return value;
  return version === "v2" ? "max" : none;
}

/** Weights alone; those that are absent become the default. */
export function weights(version: "v1" | "v2", { cpuWeight = WEIGHT_DEFAULT, ioWeight = WEIGHT_DEFAULT }: Limits): readonly Setting[] {
  const bfq = Math.min(ioWeight, BFQ_WEIGHT_MAX);
  if (version === "v2") {
    return [
      setting("cpuWeight", "cpu", ["cpu.weight"], cpuWeight),
      setting("ioWeight", "io", ["io.bfq.weight", "io.weight"], `default ${bfq}`),
    ];
  }
  const shares = Math.min(SHARES_MAX, Math.max(SHARES_MIN, Math.round((cpuWeight * SHARES_DEFAULT) / WEIGHT_DEFAULT)));
  return [setting("cpuWeight", "cpu", ["cpu.shares"], shares), setting("ioWeight", "io", ["blkio.bfq.weight", "blkio.weight"], bfq)];
}

function cpuLimit(version: "v1" | "v2", cpuMax: number): Setting[] {
  const quota = most(version, Math.max(CPU_QUOTA_MIN_US, Math.round(cpuMax * CPU_PERIOD_US)));
  if (version === "v2") return [setting("cpuMax", "cpu", ["cpu.max"], `${quota} ${CPU_PERIOD_US}`)];
  return [setting("cpuMax", "cpu", ["cpu.cfs_period_us"], CPU_PERIOD_US), setting("cpuMax", "cpu", ["cpu.cfs_quota_us"], quota)];
}

function setting(field: keyof Resources, controller: Controller, files: readonly string[], value: string | number): Setting {
  return { field, controller, files, value: String(value) };
}
