import { join } from "node:path";
import { defaults } from "@isthmus/contract";
import { rawFirstByte } from "../raw/boot.ts";
import { guestOf } from "../raw/guest.ts";
import { paired, type Result } from "../result.ts";
import type { BenchWorld } from "../world.ts";

const MAX_RATIO = 1.15;

/** `run` request to the first byte of output as the SDK sees it, cold, against raw QEMU with the same kernel, rootfs and agent, in turn. */
export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  await using model = await world.isthmus.machines.run({ image: "busybox", command: ["sleep", "1000"], stopTimeoutMs: 0 });
  const guest = guestOf(model.info.pid ?? 0, join(world.home, "disks", `empty-${defaults.diskBytes}.ext4`));
  await model.pause();
  const ours: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const floor = await rawFirstByte(world.home, guest);
    const mine = await firstByte(world);
    if (round === 0) continue;
    raw.push(floor);
    ours.push(mine);
  }
  await model.unpause();
  return [paired("run to first byte, cold", "ms", ours, raw, MAX_RATIO)];
}

async function firstByte(world: BenchWorld): Promise<number> {
  const started = performance.now();
  await using machine = await world.isthmus.machines.run({
    image: "busybox",
    command: ["sh", "-c", "echo hi; exec sleep 1000"],
    stopTimeoutMs: 0,
  });
  for await (const chunk of machine.rawLogs({ follow: true })) if (chunk.bytes.length > 0) break;
  return performance.now() - started;
}
