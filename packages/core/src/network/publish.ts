import { isSettled } from "@isthmus/contract";
import { PUBLISH_RETRY_MS } from "../machine/config.ts";
import { type Context, planOf } from "../machine/context.ts";
import type { Handle } from "../machine/handle.ts";
import type { MachineRecord } from "../machine/ports.ts";

/**
 * Has the ports of a machine on a network listen; does nothing for others, whose engine does. Called once the network is there. Throws PORT_TAKEN,
 * HOST_COMMAND_FAILED, NETWORK_UNAVAILABLE, NO_CAPACITY.
 */
export async function publishPorts(context: Context, handle: Handle, record: MachineRecord): Promise<void> {
  await publish(context, handle, record, planOf(context, record).ports);
}

type Ports = MachineRecord["machine"]["ports"];

async function publish(context: Context, handle: Handle, { machine }: MachineRecord, ports: Readonly<Ports>): Promise<void> {
  const [attachment] = machine.spec.networks ?? [];
  if (machine.spec.network !== "bridge" || attachment === undefined || ports.length === 0) return;
  await handle.contact?.free();
  handle.unpublish();
  handle.publication = await context.networkHost?.publish(attachment.network, attachment.ip ?? "", ports);
}

/** The ports of a machine that is taken up, the same as before. Where they are somebody's now, it is tried again: the machine goes on without them. */
export async function publishAgain(context: Context, handle: Handle, record: MachineRecord): Promise<void> {
  const { live } = handle;
  try {
    await publish(context, handle, record, record.machine.ports);
  } catch (error) {
    context.log.warn({ machine: handle.id, err: error }, "the ports of a machine that was taken up cannot be published; trying again");
    const again = () => {
      const present = handle.removed ? undefined : context.store.machine(handle.id);
      if (present === undefined || handle.live !== live || isSettled(present.machine.state)) return;
      void publishAgain(context, handle, present);
    };
    handle.setTimer("publish", context.clock.after(PUBLISH_RETRY_MS, again));
    return;
  }
  // It may have ended while its ports were being published.
  if (handle.live !== live || handle.removed || context.closing.signal.aborted) handle.unpublish();
}
