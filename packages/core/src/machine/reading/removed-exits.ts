import type { MachineExit } from "@isthmus/contract";
import { REMOVED_EXITS_KEPT, REMOVED_EXITS_MS } from "../config.ts";
import type { RemovedExits } from "../context.ts";

/** Bounded in number and time. */
export function createRemovedExits(): RemovedExits {
  const exits = new Map<string, { readonly exit: MachineExit; readonly tenant: string; readonly atMs: number }>();
  return {
    add(id, exit, tenant, nowMs) {
      exits.set(id, { exit, tenant, atMs: nowMs });
      for (const [key, { atMs }] of exits) {
        if (exits.size <= REMOVED_EXITS_KEPT && nowMs - atMs <= REMOVED_EXITS_MS) break;
        exits.delete(key);
      }
    },
    get(id, nowMs, tenant) {
      const found = exits.get(id);
      if (tenant !== undefined && found?.tenant !== tenant) return undefined;
      return found && nowMs - found.atMs <= REMOVED_EXITS_MS ? found.exit : undefined;
    },
  };
}
