import { IsthmusError } from "@isthmus/contract";

/** Turns "no space" into DISK_FULL. */
export async function guarded<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOSPC" || code === "EDQUOT") throw new IsthmusError("DISK_FULL", { what }, { cause });
    throw cause;
  }
}
