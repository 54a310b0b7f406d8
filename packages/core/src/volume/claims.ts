import { IsthmusError, type MachineState } from "@isthmus/contract";
import { tenantOf } from "../licence/lease-events.ts";
import type { Context } from "../machine/context.ts";
import type { MachineRecord } from "../machine/ports.ts";
import { volumesOf } from "./mounts.ts";
import type { StoredVolume } from "./ports.ts";
import { mayMount } from "./tenants.ts";

/** In these a machine's guest has its volumes, or will go on with what it knows of them. */
const holding: readonly MachineState[] = ["starting", "running", "paused", "suspended", "stopping"];

export function holdsVolumes({ machine, boot }: MachineRecord): boolean {
  return holding.includes(machine.state) || (machine.state === "queued" && boot.goesOnFrom?.from === "suspension");
}

/**
 * Throws VOLUME_IN_USE when the machine cannot have its volumes now: one writes, or several read. Nothing waits in here, so that of two machines that want the same
 * volume one has it when the other asks. Throws VOLUME_NOT_FOUND when one is gone, also when another tenant's has come in its place.
 */
export function checkVolumes(context: Context, record: MachineRecord): void {
  const { volumes } = context;
  const { id, spec } = record.machine;
  const wanted = volumesOf(spec);
  if (wanted.length === 0 || volumes === undefined) return;
  const found = wanted.map(({ name, readOnly }) => ({ volume: volumes.get(name), readOnly }));
  for (const { volume } of found) if (!mayMount(spec, volume)) throw new IsthmusError("VOLUME_NOT_FOUND", { name: volume.name });
  for (const { volume, readOnly } of found) checkVolume(context, volume, !readOnly, { id, tenant: tenantOf(spec) });
}

/** Throws VOLUME_IN_USE when somebody other than the machine `by` has the volume in a way that does not go with this use of it. */
export function checkVolume(
  context: Context,
  volume: StoredVolume,
  writes: boolean,
  by?: { readonly id: string; readonly tenant: string },
): void {
  const { name } = volume;
  // A volume of the host may be given to machines of several tenants: what is another's is not told by name.
  const told = (tenant: string | undefined, what: string, hidden: string) =>
    (by?.tenant ?? tenant) === (tenant ?? by?.tenant) ? what : hidden;
  for (const other of context.store.allMachines()) {
    const { spec, name: machine, state } = other.machine;
    if (other.machine.id === by?.id || !holdsVolumes(other) || !mayMount(spec, volume)) continue;
    const theirs = volumesOf(spec).find((one) => one.name === name);
    if (theirs === undefined || (!writes && theirs.readOnly)) continue;
    throw new IsthmusError("VOLUME_IN_USE", {
      name,
      holder: told(tenantOf(spec), `machine ${machine}`, "another tenant's machine"),
      use: `(${state}) ${theirs.readOnly ? "reads it" : "writes to it"}`,
    });
  }
  const look = context.looks.of(name).find((one) => writes || one.writes);
  if (look === undefined) return;
  throw new IsthmusError("VOLUME_IN_USE", { name, holder: told(look.tenant, look.what, "another tenant's copy"), use: "is under way" });
}
