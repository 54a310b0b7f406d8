import process from "node:process";
import { MIB, type Resources } from "@isthmus/contract";

/** ms that each phase lasts, and that a burner has to come up to speed before */
export const PHASE_MS = Number(process.env.PHASE_MS ?? 30_000);
export const SETTLE_MS = 3_000;
/** machines whose execs are measured in turn */
export const VICTIMS = 3;
/** ms between two execs */
export const EXEC_EVERY_MS = 100;

const VICTIM_MEMORY = 128 * MIB;
export const VICTIM = { image: "busybox", cpus: 1, memoryBytes: VICTIM_MEMORY, stopTimeoutMs: 0, command: ["sleep", "100000"] } as const;

/** Two processors, memory without end, and a disk that is written and synced all the time. */
const BURN = [
  "mount -t tmpfs -o size=300m none /mnt",
  "for one in 1 2; do while :; do :; done & done",
  "while :; do dd if=/dev/zero of=/mnt/x bs=1M count=290 2>/dev/null; rm /mnt/x; done &",
  "while :; do dd if=/dev/zero of=/data bs=1M count=200 conv=fsync 2>/dev/null; done",
].join("\n");
export const BURNER = { image: "busybox", cpus: 2, memoryBytes: 512 * MIB, stopTimeoutMs: 0, command: ["sh", "-c", BURN] } as const;

export const LIMITS: Resources = {
  cpuWeight: 10,
  cpuMax: 0.5,
  memoryMaxBytes: 640 * MIB,
  ioWeight: 10,
  ioReadBps: { rate: 10 * MIB },
  ioWriteBps: { rate: 5 * MIB },
};
