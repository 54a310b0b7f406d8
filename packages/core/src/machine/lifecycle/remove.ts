import { can } from "@isthmus/contract";
import type { RemoveOptions } from "../actions.ts";
import { SIGKILL } from "../config.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import { deleteMachine } from "./delete.ts";
import { cancelStart, ended, requestKill } from "./stop.ts";
import { allow } from "./transition.ts";

/** Deletes a machine; with `force` ends it first, whatever it is doing. */
export async function removeMachine(context: Context, handle: Handle, { force, volumes }: RemoveOptions): Promise<void> {
  const { name } = context.store.machine(handle.id).machine;
  if (force === true) await endFirst(context, handle, name);
  await handle.queue.request(name, async () => {
    if (handle.removed) return;
    const record = context.store.machine(handle.id);
    allow("remove", record);
    handle.clearTimers();
    await deleteMachine(context, handle, volumes === true || record.machine.spec.autoRemove === true);
  });
}

async function endFirst(context: Context, handle: Handle, name: string): Promise<void> {
  const record = await handle.queue.request(name, () => {
    const present = context.store.machine(handle.id);
    if (present.machine.state === "queued" || present.machine.state === "starting") return cancelStart(context, handle);
    return present;
  });
  if (can("remove", record.machine.state)) return;
  if (can("kill", record.machine.state)) await killUnlessEnded(context, handle);
  await ended(context, handle, record);
}

/** It may end by itself at the same moment, which is as good. */
async function killUnlessEnded(context: Context, handle: Handle): Promise<void> {
  try {
    await requestKill(context, handle, SIGKILL);
  } catch (error) {
    if (handle.removed) return;
    if (can("kill", context.store.machine(handle.id).machine.state)) throw error;
  }
}
