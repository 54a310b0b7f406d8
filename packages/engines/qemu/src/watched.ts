import { IsthmusError } from "@isthmus/contract";
import type { VmmProcess } from "./process/vmm-process.ts";

export interface Watch {
  readonly vmm: VmmProcess;
  readonly signal: AbortSignal;
  /** for the error when `signal` aborts */
  readonly what: string;
  /** why the VMM ended before its guest was up */
  readonly early: (status: string | undefined) => Promise<IsthmusError>;
  /** no limit when absent */
  readonly limit?: { readonly ms: number; readonly late: () => IsthmusError };
}

/** `work`, unless the VMM ends first, the signal aborts (CANCELLED), or it takes too long. */
export async function unlessItEnds<T>(watch: Watch, work: Promise<T>): Promise<T> {
  const { vmm, signal, what, early, limit } = watch;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new IsthmusError("CANCELLED", { what }));
  const timer = limit && setTimeout(() => reject(limit.late()), limit.ms);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  void vmm.ended.then(async ({ status }) => reject(await early(status)));
  work.catch(() => {});
  promise.catch(() => {});
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
