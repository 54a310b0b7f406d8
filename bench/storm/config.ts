import process from "node:process";
import { MIB } from "@isthmus/contract";

/** starts asked for at once, in turn by tenant */
export const STARTS = Number(process.env.STARTS ?? 300);
export const WEIGHTS = { "tenant-1": 1, "tenant-2": 2, "tenant-4": 4 } as const;
export const SPEC = { image: "busybox", command: ["sleep", "100000"], memoryBytes: 128 * MIB, stopTimeoutMs: 0 } as const;
/** ms between two calls of the daemon, two execs, and two looks at the host's pressure */
export const CALL_EVERY_MS = 50;
export const EXEC_EVERY_MS = 100;
export const PRESSURE_EVERY_MS = 500;

/** The storm as it is, and with nothing that holds starts back: as many in flight as there are. */
export const MODES = [
  { name: "adaptive", env: {} },
  { name: "no limiter", env: { ISTHMUS_LIMITER: "static", ISTHMUS_STARTS_IN_FLIGHT: String(STARTS) } },
] as const;

export const aims = {
  execMs: 500,
  callMs: 100,
  memoryFull10: 10,
  /** of a tenant's share by its weight */
  sharePart: 0.15,
} as const;
