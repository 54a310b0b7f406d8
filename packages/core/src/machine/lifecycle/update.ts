import {
  IsthmusError,
  isSettled,
  type Machine,
  type MachineSpec,
  type MachineUpdate,
  networkRates,
  type Resources,
  type ResourcesUpdate,
} from "@isthmus/contract";
import { ratesOf } from "../../network/rates.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { MachineRecord } from "../ports.ts";
import { checkBootable } from "../spec/bootable.ts";
import { resolveResources } from "../spec/resources.ts";
import { amend } from "./transition.ts";

/** See `Machines.update`. The process is limited first: what cannot be had is not written down. */
export async function updateMachine(context: Context, handle: Handle, change: MachineUpdate): Promise<Machine> {
  const { name } = context.store.machine(handle.id).machine;
  return await handle.queue.request(name, async () => {
    const record = context.store.machine(handle.id);
    const { machine } = record;
    checkShape(machine, change);
    if (change.cpus !== undefined || change.memoryBytes !== undefined) await checkBootable(context.engines, { ...machine.spec, ...change });
    const { resources, ...rest } = change;
    const limits = merged(machine.spec.resources, resources);
    const spec: MachineSpec = { ...machine.spec, ...rest, resources: limits };
    const notes: string[] = [];
    resolveResources(spec, spec.memoryBytes ?? 0, notes);
    if (resources !== undefined) {
      checkNetwork(machine, resources);
      await limitLive(context, handle, record, limits ?? {});
    }
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

/** Throws INVALID_REQUEST for rates of a machine that is on no network of the host's. */
function checkNetwork({ name, spec: { network } }: Machine, resources: ResourcesUpdate): void {
  const limit = networkRates.find((one) => resources[one] !== undefined && resources[one] !== null);
  if (limit === undefined || network === "bridge") return;
  throw new IsthmusError("INVALID_REQUEST", {
    field: `resources.${limit}`,
    value: `network ${network}`,
    reason: `rates are held on a network of the host's only; while it has no process it gets one with: isthmus network connect NETWORK ${name}`,
  });
}

function merged(present: Resources | undefined, change: ResourcesUpdate = {}): Resources | undefined {
  const entries = Object.entries({ ...present, ...change }).filter(([, value]) => value !== null && value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

async function limitLive(context: Context, { live }: Handle, record: MachineRecord, limits: Resources): Promise<void> {
  const { name, state, spec } = record.machine;
  if (live === undefined) {
    // A start in progress limits with what it was begun with, and a process that does not answer cannot be told.
    if (isSettled(state) || state === "queued") return;
    throw new IsthmusError("AGENT_UNREACHABLE", { name, reason: "its process cannot be limited now" });
  }
  const former = spec.resources ?? {};
  const otherRates = JSON.stringify(ratesOf(limits)) !== JSON.stringify(ratesOf(former));
  const refused = await live.limit(limits, former);
  try {
    if (refused.length > 0) throw new IsthmusError("LIMIT_REFUSED", { name, reason: refused.join("; ") });
    if (otherRates) await context.networks?.limit(record, limits);
  } catch (error) {
    await live.limit(former, limits);
    if (otherRates)
      await context.networks
        ?.limit(record, former)
        .catch((err: unknown) => context.log.error({ machine: name, err }, "former rates could not be set again"));
    throw error;
  }
}
