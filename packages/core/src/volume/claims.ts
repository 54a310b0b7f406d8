import { IsthmusError, type MachineState } from "@isthmus/contract";
import type { Context } from "../machine/context.ts";
import type { MachineRecord } from "../machine/ports.ts";
import { volumesOf } from "./mounts.ts";

/** In these a machine's guest has its volumes, or will go on with what it knows of them. */
const holding: readonly MachineState[] = ["starting", "running", "paused", "suspended", "stopping"];

export function holdsVolumes({ machine, boot }: MachineRecord): boolean {
  return holding.includes(machine.state) || (machine.state === "queued" && boot.goesOnFrom?.from === "suspension");
}

/**
 * Throws VOLUME_IN_USE when the machine cannot have its volumes now: one writes, or several read. Nothing waits in here, so that of two machines that want the same
 * volume one has it when the other asks. Throws VOLUME_NOT_FOUND when one is gone.
 */
export function checkVolumes(context: Context, record: MachineRecord): void {
  const wanted = volumesOf(record.machine.spec);
  if (wanted.length === 0 || context.volumes === undefined) return;
  for (const { name } of wanted) context.volumes.get(name);
  for (const { name, readOnly } of wanted) checkVolume(context, name, !readOnly, record.machine.id);
}

/** Throws VOLUME_IN_USE when somebody other than machine `but` has the volume in a way that does not go with this use of it. */
export function checkVolume(context: Context, name: string, writes: boolean, but?: string): void {
  for (const other of context.store.allMachines()) {
    if (other.machine.id === but || !holdsVolumes(other)) continue;
    const theirs = volumesOf(other.machine.spec).find((one) => one.name === name);
    if (theirs === undefined || (!writes && theirs.readOnly)) continue;
    const { name: machine, state } = other.machine;
    throw new IsthmusError("VOLUME_IN_USE", {
      name,
      holder: `machine ${machine}`,
      use: `(${state}) ${theirs.readOnly ? "reads it" : "writes to it"}`,
    });
  }
  const look = context.looks.of(name).find((one) => writes || one.writes);
  if (look !== undefined) throw new IsthmusError("VOLUME_IN_USE", { name, holder: look.what, use: "is under way" });
}
