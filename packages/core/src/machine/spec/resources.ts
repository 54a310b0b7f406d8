import { formatBytes, IsthmusError, limits, type MachineSpec, networkRates, type Resources } from "@isthmus/contract";
import { ENGINE_OVERHEAD_BYTES } from "../config.ts";

const rates = ["ioReadBps", "ioWriteBps", "ioReadIops", "ioWriteIops", ...networkRates] as const;
/** how long a burst lasts that does not say so */
const BURST_MS = 1000;
const ofNetwork: ReadonlySet<string> = new Set(networkRates);

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
          : ofNetwork.has(name) && ((burst ?? rate) - rate) * ((burstMs ?? BURST_MS) / 1000) > limits.netBurst
            ? {
                field: "burst",
                reason: `what it is above the rate, for as long as it lasts, may be ${limits.netBurst} in all`,
                value: burst ?? 0,
              }
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
