import {
  IsthmusError,
  isSettled,
  type Machine,
  type MachineSpec,
  type MachineUpdate,
  type Resources,
  type ResourcesUpdate,
} from "@isthmus/contract";
import type { Context } from "./context.ts";
import type { Handle } from "./handle.ts";
import { resolveResources } from "./resources.ts";
import { amend } from "./transition.ts";

/** See `Machines.update`. The process is limited first: what cannot be had is not written down. */
export async function updateMachine(context: Context, handle: Handle, change: MachineUpdate): Promise<Machine> {
  const { name } = context.store.machine(handle.id).machine;
  return await handle.queue.request(name, async () => {
    const { machine } = context.store.machine(handle.id);
    checkShape(machine, change);
    const { resources, ...rest } = change;
    const limits = merged(machine.spec.resources, resources);
    const spec: MachineSpec = { ...machine.spec, ...rest, resources: limits };
    const notes: string[] = [];
    resolveResources(spec, spec.memoryBytes ?? 0, notes);
    if (resources !== undefined) await limitLive(handle, machine, limits ?? {});
    const event = { type: "machine.updated", machineId: handle.id, machineName: machine.name, details: { ...change } };
    const kept = machine.notes.filter((note) => !note.startsWith("memoryMaxBytes is below"));
    return amend(context, handle, { machine: { spec, notes: [...kept, ...notes] } }, [event]).machine;
  });
}

/** What a guest boots with. One that is saved goes on with it. Throws FIXED_WHILE_LIVE. */
function checkShape({ name, state, spec }: Machine, { cpus = spec.cpus, memoryBytes = spec.memoryBytes }: MachineUpdate): void {
  if (isSettled(state) && state !== "suspended") return;
  if (cpus !== spec.cpus) throw new IsthmusError("FIXED_WHILE_LIVE", { field: "cpus", name, state, value: spec.cpus });
  if (memoryBytes !== spec.memoryBytes)
    throw new IsthmusError("FIXED_WHILE_LIVE", { field: "memoryBytes", name, state, value: `${spec.memoryBytes} bytes` });
}

function merged(present: Resources | undefined, change: ResourcesUpdate = {}): Resources | undefined {
  const entries = Object.entries({ ...present, ...change }).filter(([, value]) => value !== null && value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

async function limitLive({ live }: Handle, { name, state, spec }: Machine, limits: Resources): Promise<void> {
  if (live === undefined) {
    // A start in progress limits with what it was begun with, and a process that does not answer cannot be told.
    if (isSettled(state) || state === "queued") return;
    throw new IsthmusError("AGENT_UNREACHABLE", { name, reason: "its process cannot be limited now" });
  }
  const refused = await live.limit(limits, spec.resources ?? {});
  if (refused.length === 0) return;
  await live.limit(spec.resources ?? {}, limits);
  throw new IsthmusError("LIMIT_REFUSED", { name, reason: refused.join("; ") });
}
