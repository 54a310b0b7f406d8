import { limits, parseBytes, parseDuration, type Resources, type ResourcesUpdate } from "@isthmus/contract";
import { type Command, Option } from "commander";
import { size, wholeNumber } from "./amounts.ts";
import { invalid } from "./invalid.ts";

type Rate = NonNullable<Resources["ioReadBps"]>;

/** The flags that say what a machine may take of its host. */
export interface ResourceOptions {
  readonly cpuShares?: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  readonly memoryMax?: number;
  readonly blkioWeight?: number;
  readonly pidsLimit?: number;
  readonly deviceReadBps?: Rate;
  readonly deviceWriteBps?: Rate;
  readonly deviceReadIops?: Rate;
  readonly deviceWriteIops?: Rate;
  readonly networkReceiveBps?: Rate;
  readonly networkSendBps?: Rate;
  readonly networkReceivePps?: Rate;
  readonly networkSendPps?: Rate;
  readonly priority?: "low" | "normal" | "high";
  readonly evictable?: boolean;
}

/** docker's defaults, which are weight 100 here */
const SHARES_DEFAULT = 1024;
const BLKIO_WEIGHT_DEFAULT = 500;
const WEIGHT_DEFAULT = 100;
/** microseconds, docker's default */
const CPU_PERIOD_US = 100_000;
const CPU_PERIOD_MAX_US = 1_000_000;

/** Declares them, in docker's names. A machine has its own disks, so the limits on disks name none. */
export function addResourceOptions(command: Command): Command {
  const bps = (flag: string) => rate(flag, "1m, 10m:50m or 10m:50m:5s", parseBytes, limits.ioBps);
  const iops = (flag: string) => rate(flag, "100, 100:500 or 100:500:5s", count, limits.ioIops);
  return addNetworkRates(command)
    .option("--cpu-shares <number>", "share of processor time under contention; 1024 when absent", wholeNumber("--cpu-shares", 2, 262_144))
    .option(
      "--cpu-quota <us>",
      "microseconds of processor time in each period",
      wholeNumber("--cpu-quota", 1_000, CPU_PERIOD_MAX_US * limits.cpus),
    )
    .option(
      "--cpu-period <us>",
      `length of that period; ${CPU_PERIOD_US} when absent`,
      wholeNumber("--cpu-period", 1_000, CPU_PERIOD_MAX_US),
    )
    .option(
      "--memory-max <size>",
      "memory on the host, guest and engine together",
      size("--memory-max", limits.memoryMaxLeastBytes, limits.memoryMaxBytes),
    )
    .option("--blkio-weight <number>", "share of disk time under contention; 500 when absent", wholeNumber("--blkio-weight", 10, 1000))
    .option(
      "--pids-limit <number>",
      "threads of the engine process on the host",
      wholeNumber("--pids-limit", limits.pidsMaxLeast, limits.pidsMax),
    )
    .option("--device-read-bps <rate>", "bytes a second from its disks: RATE[:BURST[:DURATION]]", bps("--device-read-bps"))
    .option("--device-write-bps <rate>", "bytes a second to its disks", bps("--device-write-bps"))
    .option("--device-read-iops <rate>", "reads a second from its disks", iops("--device-read-iops"))
    .option("--device-write-iops <rate>", "writes a second to its disks", iops("--device-write-iops"))
    .addOption(
      new Option(
        "--priority <class>",
        "which of its tenant's starts go first, and who yields first under pressure; normal when absent",
      ).choices(["low", "normal", "high"]),
    )
    .option("--evictable", "it may be stopped when the host is short of memory and nothing else helped");
}

/** Of a machine on a network of the host's. */
function addNetworkRates(command: Command): Command {
  const bps = (flag: string) => rate(flag, "1m, 10m:50m or 10m:50m:5s", parseBytes, limits.netBps);
  const pps = (flag: string) => rate(flag, "1000, 1000:5000 or 1000:5000:5s", count, limits.netPps);
  return command
    .option("--network-receive-bps <rate>", "bytes a second that it receives: RATE[:BURST[:DURATION]]", bps("--network-receive-bps"))
    .option("--network-send-bps <rate>", "bytes a second that it sends", bps("--network-send-bps"))
    .option("--network-receive-pps <rate>", "packets a second that it receives", pps("--network-receive-pps"))
    .option("--network-send-pps <rate>", "packets a second that it sends", pps("--network-send-pps"));
}

/** What they describe; undefined when nothing is limited. Throws INVALID_REQUEST. */
export function resources(options: ResourceOptions): Resources | undefined {
  const { cpuShares, cpuQuota, cpuPeriod, blkioWeight } = options;
  if (cpuPeriod !== undefined && cpuQuota === undefined) throw invalid("--cpu-period", String(cpuPeriod), "it goes with --cpu-quota");
  const found: Resources = {
    cpuWeight: cpuShares === undefined ? undefined : weight(cpuShares, SHARES_DEFAULT),
    cpuMax: cpuQuota === undefined ? undefined : cpuQuota / (cpuPeriod ?? CPU_PERIOD_US),
    memoryMaxBytes: options.memoryMax,
    ioWeight: blkioWeight === undefined ? undefined : weight(blkioWeight, BLKIO_WEIGHT_DEFAULT),
    pidsMax: options.pidsLimit,
    ioReadBps: options.deviceReadBps,
    ioWriteBps: options.deviceWriteBps,
    ioReadIops: options.deviceReadIops,
    ioWriteIops: options.deviceWriteIops,
    netReceiveBps: options.networkReceiveBps,
    netSendBps: options.networkSendBps,
    netReceivePps: options.networkReceivePps,
    netSendPps: options.networkSendPps,
  };
  const { cpuMax } = found;
  if (cpuMax !== undefined && (cpuMax < limits.cpuMaxLeast || cpuMax > limits.cpus)) {
    throw invalid("--cpu-quota", String(cpuQuota), `with this period it must be ${limits.cpuMaxLeast} to ${limits.cpus} processors`);
  }
  for (const [key, value] of Object.entries(found)) if (value === undefined) Reflect.deleteProperty(found, key);
  return Object.keys(found).length === 0 ? undefined : found;
}

const limitNames: Readonly<Record<string, keyof Resources>> = {
  "cpu-shares": "cpuWeight",
  "cpu-quota": "cpuMax",
  "memory-max": "memoryMaxBytes",
  "blkio-weight": "ioWeight",
  "pids-limit": "pidsMax",
  "device-read-bps": "ioReadBps",
  "device-write-bps": "ioWriteBps",
  "device-read-iops": "ioReadIops",
  "device-write-iops": "ioWriteIops",
  "network-receive-bps": "netReceiveBps",
  "network-send-bps": "netSendBps",
  "network-receive-pps": "netReceivePps",
  "network-send-pps": "netSendPps",
};

/** Limits that are to be none, named as their flags. Throws INVALID_REQUEST. */
export function unlimited(names: readonly string[]): ResourcesUpdate {
  const fields = names.map((name) => {
    const field = Object.hasOwn(limitNames, name) ? limitNames[name] : undefined;
    if (field === undefined) throw invalid("--unlimited", name, `limits are ${Object.keys(limitNames).join(", ")}`);
    return [field, null];
  });
  return Object.fromEntries(fields);
}

function weight(value: number, normal: number): number {
  return Math.min(limits.weight, Math.max(1, Math.round((value * WEIGHT_DEFAULT) / normal)));
}

function count(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function rate(flag: string, example: string, parse: (text: string) => number | undefined, most: number): (text: string) => Rate {
  return (text) => {
    const [first = "", second, third, extra] = text.split(":");
    const fault = () => invalid(flag, text, `write a rate, and a burst if you like, such as ${example}`);
    const amount = (part: string) => {
      const value = parse(part);
      if (value === undefined || value < 1 || value > most) throw fault();
      return value;
    };
    if (extra !== undefined) throw fault();
    const burstMs = third === undefined ? undefined : parseDuration(third);
    if (third !== undefined && (burstMs === undefined || burstMs < 1000 || burstMs > limits.burstMaxMs)) throw fault();
    const burst = second === undefined ? {} : { burst: amount(second) };
    return { rate: amount(first), ...burst, ...(burstMs === undefined ? {} : { burstMs }) };
  };
}
