import { IsthmusError } from "@isthmus/contract";
import type { Cloning, Kernels } from "@isthmus/core";
import type { AcceleratorProbe } from "../accelerator.ts";
import { makeTemplate } from "./make.ts";
import { templateShape } from "./shape.ts";

export interface CloningParts {
  readonly kernels: Kernels;
  readonly probe: AcceleratorProbe;
  readonly tscKhz: () => Promise<number | undefined>;
}

/** Cloning by QEMU: memory in a file that clones map privately, device state by migration to and from a file. */
export function createCloning({ kernels, probe, tscKhz }: CloningParts): Cloning {
  const boot = async () => {
    const kernel = await kernels.resolve();
    const { variant } = await probe.choose(kernel);
    return { kernel, variant };
  };
  return {
    async shape(shape) {
      return await templateShape(shape, { ...(await boot()), qemuVersion: await probe.version() });
    },
    async make(shape, folder, signal) {
      return await makeTemplate({ shape, ...(await boot()), tscKhz: await tscKhz(), folder, signal });
    },
    prepare() {
      return Promise.reject(new IsthmusError("INTERNAL", { reason: "pools are not there yet" }));
    },
  };
}
