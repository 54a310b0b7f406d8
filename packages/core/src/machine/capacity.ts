import { formatBytes, IsthmusError, isSettled, type MachineState } from "@isthmus/contract";
import { ENGINE_OVERHEAD_BYTES, HOST_RESERVE_BYTES, HOST_RESERVE_PART, MACHINES_MAX } from "./config.ts";
import type { HostCapacity } from "./ports.ts";

export interface Holding {
  readonly id: string;
  readonly state: MachineState;
  readonly memoryBytes: number;
}

/** Memory that machines may have altogether on this host, bytes. */
function memoryForMachines(capacity: HostCapacity): number {
  const total = capacity.memoryTotalBytes();
  return total - Math.min(HOST_RESERVE_BYTES, Math.floor(total * HOST_RESERVE_PART));
}

/** What the machines that have or will have a process hold: computed from them each time, never counted along. Bytes. */
function memoryHeld(holdings: Iterable<Holding>): number {
  let held = 0;
  for (const one of holdings) if (!isSettled(one.state)) held += one.memoryBytes + ENGINE_OVERHEAD_BYTES;
  return held;
}

/** Throws NO_CAPACITY when a machine of `memoryBytes` does not fit beside the others. */
export function checkMemory(memoryBytes: number, holdings: Iterable<Holding>, capacity: HostCapacity): void {
  const needed = memoryBytes + ENGINE_OVERHEAD_BYTES;
  const { memoryOvercommit = 1 } = capacity;
  const promised = memoryForMachines(capacity) * memoryOvercommit - memoryHeld(holdings);
  // What is promised twice must be there when it is asked for: a start needs the memory to be free at this moment.
  const present = memoryOvercommit > 1 ? capacity.memoryFreeBytes() - HOST_RESERVE_BYTES : Number.POSITIVE_INFINITY;
  const free = Math.max(0, Math.min(promised, present));
  if (needed <= free) return;
  throw new IsthmusError("NO_CAPACITY", { what: "memory", needed: formatBytes(needed), free: formatBytes(free) });
}

/** Throws NO_CAPACITY when there are as many machines as one host keeps. */
export function checkCount(count: number): void {
  if (count < MACHINES_MAX) return;
  throw new IsthmusError("NO_CAPACITY", { what: "one more machine", needed: 1, free: 0 });
}
