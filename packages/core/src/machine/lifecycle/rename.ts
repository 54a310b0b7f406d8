import { IsthmusError, type Machine } from "@isthmus/contract";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import { checkName } from "../spec/names.ts";
import { amend } from "./transition.ts";

/** See `Machines.rename`. What the guest calls itself stays: its host name is none of this. */
export async function renameMachine(context: Context, handle: Handle, name: string): Promise<Machine> {
  checkName(name);
  const former = context.store.machine(handle.id).machine.name;
  return await handle.queue.request(former, () => {
    const { machine } = context.store.machine(handle.id);
    if (machine.name === name) return machine;
    const holder = context.store.nameHolder(name);
    if (holder !== undefined) throw new IsthmusError("NAME_TAKEN", { name, holder });
    const event = { type: "machine.renamed", machineId: handle.id, machineName: name, details: { from: machine.name } };
    return amend(context, handle, { machine: { name, spec: { ...machine.spec, name } } }, [event]).machine;
  });
}
