import type { HostFacts, MachineUse } from "@isthmus/contract";
import type { ContendingMachine } from "./ports.ts";

export interface PolicyMachine extends ContendingMachine {
  /** does next to nothing, and nobody uses it */
  readonly idle: boolean;
  readonly use: MachineUse;
}

/** The host and its machines at one moment. */
export interface Look {
  readonly atMs: number;
  readonly facts: HostFacts;
  readonly machines: readonly PolicyMachine[];
}
