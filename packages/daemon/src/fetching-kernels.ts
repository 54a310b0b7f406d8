import { hasCode } from "@isthmus/contract";
import type { BootKernel, Kernels, Log } from "@isthmus/core";

/** Kernels that fetch Debian's when there is none yet, so that the first machine of a fresh host needs no other step. Many askers make one download. */
export function fetchingKernels(kernels: Kernels, log: Log): Kernels {
  let fetching: Promise<unknown> | undefined;
  const resolve = async (): Promise<BootKernel> => {
    try {
      return await kernels.resolve();
    } catch (error) {
      if (!hasCode(error, "KERNEL_NOT_FOUND")) throw error;
      log.info({}, "no guest kernel yet: fetching Debian's");
      fetching ??= kernels
        .fetch((progress) => log.debug({ progress }, "fetching the kernel"))
        .finally(() => {
          fetching = undefined;
        });
      await fetching;
      return await kernels.resolve();
    }
  };
  return {
    resolve,
    list: () => kernels.list(),
    fetch: (onProgress, signal) => kernels.fetch(onProgress, signal),
    build: (onProgress, signal) => kernels.build(onProgress, signal),
  };
}
