import { IsthmusError, limits, type Machine, type MachineState, type Network } from "@isthmus/contract";
import { type Context, checkOpen, find } from "../machine/context.ts";
import { amend, conflict } from "../machine/lifecycle/transition.ts";
import { checkName } from "../machine/spec/names.ts";
import type { NetworkActions } from "./actions.ts";
import { blockOf, nth } from "./addresses.ts";
import { networkOf, place, planNetwork, requireNetworks } from "./attach.ts";
import { finishMove, moved, moveLive } from "./move.ts";
import { isOn } from "./networks.ts";
import type { StoredNetwork } from "./ports.ts";

export function createNetworkActions(context: Context): NetworkActions {
  return {
    create(spec) {
      checkOpen(context);
      requireNetworks(context);
      checkName(spec.name);
      const { store } = context;
      const known = store.networks();
      if (known.some(({ name }) => name === spec.name)) throw new IsthmusError("NETWORK_EXISTS", { name: spec.name });
      if (known.length >= limits.networks)
        throw new IsthmusError("TOO_LARGE", { field: "the number of networks", value: known.length + 1, limit: limits.networks });
      const network = planNetwork(context, spec, spec.labels ?? {});
      store.insertNetwork(network, [{ type: "network.created", details: { network: network.name, subnet: network.subnet } }]);
      return shown(context, network);
    },
    list: () => context.store.networks().map((network) => shown(context, network)),
    get: (name) => shown(context, networkOf(context, name)),
    remove: (name) => removeUnused(context, name),
    async prune() {
      const unused = context.store.networks().filter((network) => shown(context, network).machines.length === 0);
      const removed: Network[] = [];
      for (const { name } of unused) removed.push(await removeUnused(context, name));
      return removed;
    },
    connect: (name, { machine, ip, ip6, aliases }) =>
      change(context, { ref: machine, action: "connect", network: name }, (before, runs) => {
        const [other] = before.spec.networks ?? [];
        if (other?.network === name && runs)
          throw new IsthmusError("INVALID_REQUEST", {
            field: "machine",
            value: before.name,
            reason: `it is on network ${name}, and runs; to give it another place there, have it leave before with: isthmus network disconnect ${name} ${before.name}`,
          });
        if (other !== undefined && other.network !== name)
          throw new IsthmusError("INVALID_REQUEST", {
            field: "machine",
            value: before.name,
            reason: `it is on network ${other.network}, and a machine is on one; have it leave with: isthmus network disconnect ${other.network} ${before.name}`,
          });
        const attachment = place(context, { network: name, ip, ip6, ...(aliases && { aliases }) }, "connect", before.id);
        return { ...before.spec, network: "bridge", networks: [attachment] };
      }),
    disconnect: (name, machine) =>
      change(context, { ref: machine, action: "disconnect", network: name }, ({ spec, name: machineName }, runs) => {
        networkOf(context, name);
        if (!spec.networks?.some(({ network }) => network === name))
          throw new IsthmusError("INVALID_REQUEST", { field: "machine", value: machineName, reason: `it is not on network ${name}` });
        // Its device stays in the guest, also when that starts anew.
        if (runs) return { ...spec, networks: [] };
        const { networks: _networks, ...rest } = spec;
        return { ...rest, network: "none" };
      }),
  };
}

async function removeUnused(context: Context, name: string): Promise<Network> {
  checkOpen(context);
  const before = shown(context, networkOf(context, name));
  const forget = () => {
    const [user] = shown(context, networkOf(context, name)).machines;
    if (user !== undefined) throw new IsthmusError("NETWORK_IN_USE", { name, holder: user.machineName });
    context.store.deleteNetwork(name, [{ type: "network.removed", details: { network: name } }]);
  };
  if (context.networks === undefined) forget();
  else await context.networks.remove(name, forget);
  return before;
}

const changeable: readonly MachineState[] = ["requested", "exited", "failed", "refused"];

interface Wanted {
  readonly ref: string;
  readonly action: "connect" | "disconnect";
  readonly network: string;
}

/** Of a machine without a process, or one that runs and has a device on a tap: a guest has the devices that it began with. */
async function change(
  context: Context,
  { ref, action, network }: Wanted,
  next: (machine: Machine, runs: boolean) => Machine["spec"],
): Promise<Machine> {
  const { handle, record } = find(context, ref);
  await handle.ready;
  return await handle.queue.request(record.machine.name, async () => {
    const present = context.store.machine(handle.id);
    const { machine } = present;
    const allowed: readonly MachineState[] = machine.spec.network === "bridge" ? [...changeable, "running"] : changeable;
    if (!allowed.includes(machine.state)) throw conflict(action, present, allowed);
    const runs = machine.state === "running";
    // What an earlier move left to be done comes first: its device may still be on the network that it leaves. One that is to leave need not be there before.
    if (runs && action === "connect" && handle.live !== undefined) await finishMove(context, handle, handle.live);
    const spec = next(machine, runs);
    if (runs) return await moveLive(context, handle, spec, network);
    return amend(context, handle, { machine: { spec } }, [moved(machine, network, spec)]).machine;
  });
}

function shown(context: Context, { name, subnet, subnet6, internal, labels, createdAt }: StoredNetwork): Network {
  const machines = context.store.allMachines().flatMap((record) => {
    const { id, name: machineName, spec } = record.machine;
    return (spec.networks ?? [])
      .filter(({ network }) => network === name)
      .map(({ ip = "", ip6 = "", aliases = [] }) => ({ machineId: id, machineName, ip, ip6, aliases: [...aliases], holds: isOn(record) }));
  });
  const gateway = nth(blockOf(subnet), 1);
  const gateway6 = nth(blockOf(subnet6), 1);
  const namespace = context.networkHost?.namespace(name) ?? "";
  return { name, subnet, subnet6, gateway, gateway6, internal, labels: { ...labels }, createdAt, namespace, machines };
}
