import { IsthmusError, type Machine, type MachineSpec } from "@isthmus/contract";
import type { Context } from "../machine/context.ts";
import type { Handle } from "../machine/handle.ts";
import { amend } from "../machine/lifecycle/transition.ts";
import type { LiveMachine, MachineRecord, NewEvent } from "../machine/ports.ts";
import { checkPublishing, nicOf } from "./attach.ts";
import { publishPorts } from "./publish.ts";

/** Tells that a machine came onto a network, or left it. */
export function moved({ id, name }: Machine, network: string, { networks = [] }: MachineSpec): NewEvent {
  const attachment = networks.find((one) => one.network === network);
  const { ip, ip6 } = attachment ?? {};
  const details = attachment === undefined ? { network } : { network, ip, ip6 };
  return { type: attachment === undefined ? "machine.disconnected" : "machine.connected", machineId: id, machineName: name, details };
}

/**
 * Puts a machine that runs, and has a device, on the network or takes it off, as `spec` has it. It is written down first, so that a daemon that dies in between leaves what the next one finishes. A
 * machine that cannot be put on a network is on none again. A job of the state queue. Throws INVALID_REQUEST, AGENT_UNREACHABLE, AGENT_REFUSED, HOST_COMMAND_FAILED, TIMEOUT and what `publishPorts` throws.
 */
export async function moveLive(context: Context, handle: Handle, spec: MachineSpec, network: string): Promise<Machine> {
  const { machine } = context.store.machine(handle.id);
  const { live } = handle;
  if (live === undefined) throw new IsthmusError("AGENT_UNREACHABLE", { name: machine.name, reason: "its process cannot be reached now" });
  const { networks = [] } = spec;
  checkPublishing(context, spec, networks);
  context.crashpoint("move.before-mark");
  await mark(context, handle, spec, network);
  context.crashpoint("move.after-mark");
  try {
    return await finishMove(context, handle, live);
  } catch (error) {
    if (networks.length > 0 && !context.closing.signal.aborted) await undo(context, handle, live, network);
    throw error;
  }
}

async function mark(context: Context, handle: Handle, spec: MachineSpec, network: string): Promise<void> {
  handle.clearTimer("publish");
  await handle.unpublish();
  amend(context, handle, { machine: { spec, ports: [] }, boot: { moving: network } });
}

/** What is still to be done for a machine that is being moved; nothing for others. Throws as `moveLive`. A job of the state queue. */
export async function finishMove(context: Context, handle: Handle, live: LiveMachine): Promise<Machine> {
  const record = context.store.machine(handle.id);
  const { machine, boot } = record;
  const network = boot.moving;
  if (network === undefined) return machine;
  const place = machine.spec.networks?.some((one) => one.network === network) === true ? nicOf(context, record)?.place : undefined;
  if (place === undefined) await unplug(context, live, record);
  await context.networks?.bringUp(network);
  if (place !== undefined) {
    await publishPorts(context, handle, record);
    await live.plug(place);
  }
  context.crashpoint("move.before-done");
  const ports = [...live.ports, ...(handle.publication?.ports ?? [])];
  const done = amend(context, handle, { machine: { ports }, boot: { moving: undefined } }, [moved(machine, network, machine.spec)]);
  context.crashpoint("move.after-done");
  return done.machine;
}

/** Whether its guest learns of it or not, the machine leaves the network. */
async function unplug(context: Context, live: LiveMachine, { machine: { id } }: MachineRecord): Promise<void> {
  await live
    .unplug()
    .catch((error: unknown) => context.log.warn({ machine: id, err: error }, "a guest could not be shown that its network is gone"));
}

async function undo(context: Context, handle: Handle, live: LiveMachine, network: string): Promise<void> {
  const { spec } = context.store.machine(handle.id).machine;
  try {
    await mark(context, handle, { ...spec, networks: [] }, network);
    await finishMove(context, handle, live);
  } catch (error) {
    context.log.error(
      { machine: handle.id, network, err: error },
      "a machine that could not be put on a network could not be taken off it",
    );
  }
}
