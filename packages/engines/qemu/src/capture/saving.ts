import { IsthmusError } from "@isthmus/contract";
import type { Kernels, MachineGroups, Saving } from "@isthmus/core";
import type { AcceleratorProbe } from "../accelerator/accelerator.ts";
import type { EngineLog } from "../engine-log.ts";
import type { Spawner } from "../process/spawner.ts";
import { mismatch, savedParts } from "./parts.ts";
import { restoreMachine } from "./restore.ts";

export interface SavingParts {
  readonly kernels: Kernels;
  readonly probe: AcceleratorProbe;
  /** of the host */
  readonly bootId: string;
  readonly spawner: Spawner;
  readonly groups?: MachineGroups;
  readonly log: EngineLog;
}

/** Saved guests that go on: their memory is mapped privately from its file, the state of their devices loaded as a migration's. */
export function createSaving({ kernels, probe, bootId, spawner, groups, log }: SavingParts): Saving {
  const here = async () => {
    const kernel = await kernels.resolve();
    const { variant } = await probe.choose(kernel);
    return { variant, parts: savedParts({ qemuVersion: await probe.version(), kernel: kernel.digest, variant }) };
  };
  return {
    refusal: async (parts) => mismatch(parts, (await here()).parts),
    async restore(plan, saved, signal) {
      const { variant, parts } = await here();
      const reason = mismatch(saved.parts, parts);
      if (reason !== undefined) throw new IsthmusError("SNAPSHOT_UNUSABLE", { name: plan.name, reason });
      return await restoreMachine({ plan, saved, variant, bootId, spawner, groups, signal, log });
    },
  };
}
