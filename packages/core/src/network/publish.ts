import { isSettled } from "@isthmus/contract";
import { PUBLISH_RETRY_MS } from "../machine/config.ts";
import { type Context, planOf } from "../machine/context.ts";
import type { Handle } from "../machine/handle.ts";
import type { MachineRecord } from "../machine/ports.ts";
import { isOn } from "./networks.ts";
import type { MachinePorts, Publication } from "./ports.ts";

/**
 * Has the ports of a machine on a network listen; does nothing for others, whose engine does. Called once the network is there. Throws PORT_TAKEN,
 * HOST_COMMAND_FAILED, NETWORK_UNAVAILABLE, NO_CAPACITY.
 */
export async function publishPorts(context: Context, handle: Handle, record: MachineRecord): Promise<void> {
  await publish(context, handle, record, planOf(context, record).ports);
}

type Ports = MachineRecord["machine"]["ports"];

async function publish(context: Context, handle: Handle, record: MachineRecord, ports: Readonly<Ports>): Promise<void> {
  const wanted = publishedOf(record, ports);
  if (wanted === undefined) return;
  await handle.contact?.free();
  await handle.unpublish();
  handle.publication = await context.networkHost?.publish(wanted);
}

/** Absent for a machine whose engine listens, or that publishes nothing. */
function publishedOf({ machine }: MachineRecord, ports: Readonly<Ports>): MachinePorts | undefined {
  const [attachment] = machine.spec.networks ?? [];
  if (machine.spec.network !== "bridge" || attachment === undefined || ports.length === 0) return undefined;
  return { network: attachment.network, address: attachment.ip ?? "", ports };
}

/** What goes on of the ports that an earlier daemon published, by the id of the machine. All others of its are free when it resolves, and can be watched or given to others. */
export async function takeUpPublished(context: Context, records: readonly MachineRecord[]): Promise<ReadonlyMap<string, Publication>> {
  const wanted = records.filter(isOn).flatMap((record) => {
    const published = publishedOf(record, record.machine.ports);
    return published === undefined ? [] : [{ id: record.machine.id, published }];
  });
  const found = (await context.networkHost?.takeUpPublished(wanted.map(({ published }) => published))) ?? [];
  return new Map(
    wanted.flatMap(({ id }, at) => {
      const publication = found[at];
      return publication === undefined ? [] : [[id, publication]];
    }),
  );
}

/** The ports of a machine that is taken up, the same as before, unless they have gone on without a daemon. Where they are somebody's now, it is tried again: the machine goes on without them. */
export async function publishAgain(context: Context, handle: Handle, record: MachineRecord): Promise<void> {
  const { live } = handle;
  if (handle.publication !== undefined) return;
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
  if (context.closing.signal.aborted) return;
  if (handle.live !== live || handle.removed) await handle.unpublish();
}
