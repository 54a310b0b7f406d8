import { defaults, type MachineSpec } from "@isthmus/contract";
import type { Engine } from "../ports.ts";

/** Before anything is made for a machine: whether its guest could boot at all. Throws INVALID_REQUEST. */
export async function checkBootable(
  engines: readonly Engine[],
  {
    isolation = defaults.isolation,
    cpus = defaults.cpus,
    memoryBytes = defaults.memoryBytes,
  }: Pick<MachineSpec, "isolation" | "cpus" | "memoryBytes">,
): Promise<void> {
  const engine = engines.find((one) => isolation === "auto" || one.isolation === isolation);
  await engine?.checkMemory?.({ cpus, memoryBytes });
}
