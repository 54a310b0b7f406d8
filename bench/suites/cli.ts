import { absolute, type Result } from "../result.ts";
import { type BenchWorld, time } from "../world.ts";

const PS_MS = 150;

/** The command line as a user waits for it. */
export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  const ps: number[] = [];
  for (let round = 0; round < rounds * 2; round += 1) ps.push(await time(() => world.cli(["ps", "-a"])));
  return [absolute("isthmus ps", "ms", ps.slice(1), PS_MS)];
}
