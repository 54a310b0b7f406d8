import { absolute, type Result } from "../result.ts";
import { type BenchWorld, time } from "../world.ts";

/** Round trip of `true` in a running machine; there is no raw peer for it, so the aim is what feels immediate. */
const EXEC_MS = 100;

export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  await using machine = await world.isthmus.machines.run({ image: "busybox", command: ["sleep", "1000"], stopTimeoutMs: 0 });
  const trips: number[] = [];
  for (let round = 0; round < rounds * 5; round += 1) trips.push(await time(() => machine.execText(["true"])));
  return [absolute("exec round trip", "ms", trips, EXEC_MS)];
}
