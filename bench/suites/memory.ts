import { absolute, type Result } from "../result.ts";
import type { BenchWorld } from "../world.ts";

const MACHINES = 20;
const RSS_MB = 120;
const MB = 1_000_000;

/** Memory of the daemon without machines and with twenty. */
export async function suite(world: BenchWorld): Promise<readonly Result[]> {
  const empty = (await world.daemonRssBytes()) / MB;
  for (let n = 0; n < MACHINES; n += 1) {
    await world.isthmus.machines.run({ image: "busybox", command: ["sleep", "100000"], memoryBytes: 96 * 1024 * 1024, stopTimeoutMs: 0 });
  }
  const full = (await world.daemonRssBytes()) / MB;
  return [absolute("daemon RSS, no machine", "MB", [empty], RSS_MB), absolute(`daemon RSS, ${MACHINES} machines`, "MB", [full], RSS_MB)];
}
