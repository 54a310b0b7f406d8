import type { Cloning, Kernels, MachineGroups } from "@isthmus/core";
import type { AcceleratorProbe } from "../accelerator/accelerator.ts";
import { savedParts } from "../capture/parts.ts";
import type { Spawner } from "../process/spawner.ts";
import { makeTemplate } from "./make.ts";
import { prepareClone } from "./prepared.ts";
import { templateShape } from "./shape.ts";
import { makeZygote } from "./zygote.ts";

export interface CloningParts {
  readonly kernels: Kernels;
  readonly probe: AcceleratorProbe;
  readonly tscKhz: () => Promise<number | undefined>;
  /** of the host */
  readonly bootId: string;
  readonly spawner: Spawner;
  readonly groups?: MachineGroups;
}

/** Cloning by QEMU: memory in a file that clones map privately, device state by migration to and from a file. */
export function createCloning({ kernels, probe, tscKhz, bootId, spawner, groups }: CloningParts): Cloning {
  const boot = async () => {
    const kernel = await kernels.resolve();
    const { variant } = await probe.choose(kernel);
    return { kernel, variant };
  };
  const preparing = async () => {
    const { variant, kernel } = await boot();
    return { variant, parts: savedParts({ qemuVersion: await probe.version(), kernel: kernel.digest, variant }), bootId, spawner, groups };
  };
  return {
    async shape(shape) {
      return await templateShape(shape, { ...(await boot()), qemuVersion: await probe.version() });
    },
    async make(shape, place, signal) {
      return await makeTemplate({ shape, ...(await boot()), tscKhz: await tscKhz(), spawner, ...place, signal });
    },
    async prepare(shape, template, place, signal) {
      return await prepareClone({ shape, template, place, signal, ...(await preparing()) });
    },
    async zygote(shape, template, place, signal) {
      return await makeZygote({ shape, template, place, signal, ...(await preparing()) });
    },
  };
}
