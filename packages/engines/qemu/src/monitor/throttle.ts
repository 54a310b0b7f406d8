import type { Resources } from "@isthmus/contract";
import type { StartPlan } from "@isthmus/core";
import { BURST_MS } from "../config.ts";
import type { Monitor } from "./monitor.ts";

/** All disks of a machine share one budget, volumes too. */
const GROUP = "machine";

type Arguments = Readonly<Record<string, number | string>>;

/** Arguments of `block_set_io_throttle` (qapi/block-core.json of QEMU); undefined when nothing is limited. Pure. */
export function throttleArguments(resources: Resources): Arguments | undefined {
  const { ioReadBps, ioWriteBps, ioReadIops, ioWriteIops } = resources;
  if (!ioReadBps && !ioWriteBps && !ioReadIops && !ioWriteIops) return undefined;
  return {
    // A limit on both directions together would exclude one on each.
    bps: 0,
    iops: 0,
    ...bucket("bps_rd", ioReadBps),
    ...bucket("bps_wr", ioWriteBps),
    ...bucket("iops_rd", ioReadIops),
    ...bucket("iops_wr", ioWriteIops),
    group: GROUP,
  };
}

function bucket(name: string, limit: Resources["ioReadBps"]): Arguments {
  if (limit === undefined) return { [name]: 0 };
  const { rate, burst, burstMs = BURST_MS } = limit;
  if (burst === undefined) return { [name]: rate };
  return { [name]: rate, [`${name}_max`]: burst, [`${name}_max_length`]: Math.max(1, Math.round(burstMs / 1000)) };
}

const UNLIMITED: Arguments = { bps: 0, iops: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0, group: GROUP };

/** QEMU itself throttles the disks: they are found by their place in its tree of devices, which needs no name on its command line. Throws HOST_COMMAND_FAILED. */
export async function throttleDisks(
  monitor: Monitor,
  plan: StartPlan,
  machineType: "microvm" | "q35",
  former: Resources = {},
): Promise<void> {
  const limits = throttleArguments(plan.resources ?? {}) ?? (throttleArguments(former) && UNLIMITED);
  if (limits === undefined) return;
  const count = 1 + (plan.diskPath === undefined ? 0 : 1) + plan.volumes.length;
  const disks = Array.from({ length: count }, (_, index) => index);
  const inner = machineType === "microvm" ? "" : "/virtio-backend";
  for (const disk of disks)
    await monitor.execute("block_set_io_throttle", { id: `/machine/peripheral-anon/device[${disk}]${inner}`, ...limits });
}
