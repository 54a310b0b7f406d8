import { formatBytes, IsthmusError, type MachineSpec, type Resources } from "@isthmus/contract";
import { ENGINE_OVERHEAD_BYTES } from "./config.ts";

const rates = ["ioReadBps", "ioWriteBps", "ioReadIops", "ioWriteIops"] as const;

/** Throws INVALID_REQUEST for a burst that is none. */
export function resolveResources(spec: MachineSpec, memoryBytes: number, notes: string[]): { resources?: Resources } {
  const { resources } = spec;
  if (resources === undefined) return {};
  for (const name of rates) {
    const { rate = 0, burst, burstMs } = resources[name] ?? {};
    const fault =
      burst !== undefined && burst < rate
        ? { field: "burst", reason: `it must not be below the rate, ${rate}`, value: burst }
        : burst === undefined && burstMs !== undefined
          ? { field: "burstMs", reason: "it goes with burst only", value: burstMs }
          : undefined;
    if (fault !== undefined) throw new IsthmusError("INVALID_REQUEST", { ...fault, field: `resources.${name}.${fault.field}` });
  }
  const whole = memoryBytes + ENGINE_OVERHEAD_BYTES;
  if (resources.memoryMaxBytes !== undefined && resources.memoryMaxBytes < whole) {
    notes.push(
      `memoryMaxBytes is below what guest and engine can come to use (${formatBytes(whole)}): the host ends the machine when it needs more than its limit`,
    );
  }
  return { resources };
}
