import { tenantOf } from "../../licence/lease-events.ts";
import { keepVolumes, removeVolumes } from "../../volume/provide.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { MachineRecord } from "../ports.ts";

/**
 * Removes a settled machine. A job of its state queue. The record goes first: from then on a folder without a record is all that a crash can leave, and
 * the next daemon removes it. Who waits for the removal is told last, when nothing of the machine is left.
 */
export async function deleteMachine(context: Context, handle: Handle, withVolumes: boolean): Promise<void> {
  const record = context.store.machine(handle.id);
  const { machine } = record;
  // What stays is let go of before the record goes, and what goes is removed after it: a crash in between leaves what the next daemon removes.
  await context.volumes?.load();
  if (!withVolumes) await keepVolumes(context, record);
  context.crashpoint("remove.before-delete");
  context.store.deleteMachine(handle.id, [{ type: "machine.removed", machineId: handle.id, machineName: machine.name }]);
  const gone = Promise.withResolvers<void>();
  context.removals.set(handle.id, gone.promise);
  try {
    await removeLeftovers(context, handle, record, withVolumes);
  } finally {
    context.removals.delete(handle.id);
    gone.resolve();
    handle.notify(undefined);
  }
}

/** All that there is of a machine beside its record. */
async function removeLeftovers(context: Context, handle: Handle, record: MachineRecord, withVolumes: boolean): Promise<void> {
  const { machine } = record;
  context.leases.removed(handle.id);
  context.crashpoint("remove.after-delete");
  handle.removed = true;
  if (machine.exit) context.removedExits.add(handle.id, machine.exit, tenantOf(machine.spec), context.clock.now());
  handle.release();
  context.handles.delete(handle.id);
  context.crashpoint("remove.before-folder");
  try {
    await context.folders.remove(handle.id);
  } catch (error) {
    context.log.error({ machine: handle.id, err: error }, "a removed machine's folder is left; the next start of the daemon removes it");
  }
  context.crashpoint("remove.after-folder");
  if (withVolumes) await removeVolumes(context, record);
}
