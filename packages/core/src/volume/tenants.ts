import { IsthmusError, type MachineSpec } from "@isthmus/contract";
import { tenantOf } from "../licence/lease-events.ts";
import type { StoredVolume } from "./ports.ts";
import { IMPORT } from "./volumes.ts";

type Owned = Pick<StoredVolume, "name" | "tenant">;

/** A machine mounts volumes of its own tenant, and of the host those that its owner gives it. */
export function mayMount(spec: Pick<MachineSpec, "tenant">, { tenant }: Owned): boolean {
  return tenant === undefined || tenant === tenantOf(spec);
}

/**
 * Whether a machine that is being made may be given a volume that is there. `tenantBound`: asked for by a caller that is bound to the machine's tenant; it is not told
 * whose the volume is. Throws VOLUME_NAME_TAKEN, and VOLUME_IN_USE while it is imported: when that fails the machine would name what is not there, and be given whatever
 * the host's owner makes of that name later.
 */
export function checkGiven(spec: Pick<MachineSpec, "tenant">, volume: Owned & Pick<StoredVolume, "goesWith">, tenantBound: boolean): void {
  const { name, tenant, goesWith } = volume;
  if (tenantBound ? tenant !== tenantOf(spec) : !mayMount(spec, volume))
    throw nameTaken(name, tenantBound ? notOf(tenantOf(spec)) : `of tenant ${tenant}`);
  if (goesWith === IMPORT) throw new IsthmusError("VOLUME_IN_USE", { name, holder: "its import", use: "is under way" });
}

/** What a caller who is bound to `tenant` is told of a name that is not its own. */
export function takenFor(tenant: string, name: string, cause: unknown): IsthmusError {
  return nameTaken(name, notOf(tenant), { cause });
}

function notOf(tenant: string): string {
  return `that is not of tenant ${tenant}`;
}

function nameTaken(name: string, holder: string, options?: ErrorOptions): IsthmusError {
  return new IsthmusError("VOLUME_NAME_TAKEN", { name, holder }, options);
}
