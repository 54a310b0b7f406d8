import { type Attachment, IsthmusError, type MachineSpec } from "@isthmus/contract";
import type { MachinesParts } from "../machine/machines-parts.ts";
import type { MachineRecord } from "../machine/ports.ts";
import { blockOf, choosePlace, chooseSubnet, chooseSubnet6, nth } from "./addresses.ts";
import type { Nic, StoredNetwork } from "./ports.ts";

type Needs = Pick<MachinesParts, "store" | "networkHost" | "clock">;

/** the network of machines that need one and name none; made when it is needed first */
const DEFAULT_NETWORK = "default";

/** Throws NETWORK_UNAVAILABLE. */
export function requireNetworks({ networkHost }: Pick<MachinesParts, "networkHost">): void {
  const reason = networkHost === undefined ? "it has no part for them" : networkHost.refusal();
  if (reason !== undefined) throw new IsthmusError("NETWORK_UNAVAILABLE", { reason });
}

/** Throws NETWORK_NOT_FOUND. */
export function networkOf({ store }: Pick<MachinesParts, "store">, name: string): StoredNetwork {
  const found = store.networks().find((one) => one.name === name);
  if (found === undefined) throw new IsthmusError("NETWORK_NOT_FOUND", { name });
  return found;
}

/** A network with addresses that nothing else has. Throws INVALID_REQUEST, NO_CAPACITY. */
export function planNetwork(
  context: Pick<MachinesParts, "store" | "networkHost" | "clock">,
  wish: { readonly name: string; readonly subnet?: string; readonly subnet6?: string; readonly internal?: boolean },
  labels: Readonly<Record<string, string>> = {},
): StoredNetwork {
  const { store, networkHost, clock } = context;
  const taken = [...store.networks().flatMap(({ subnet, subnet6 }) => [subnet, subnet6]), ...(networkHost?.addresses() ?? [])].map(blockOf);
  const subnet = chooseSubnet(wish.subnet, taken);
  const subnet6 = chooseSubnet6(wish.subnet6, taken);
  return {
    name: wish.name,
    subnet: `${subnet.address}/${subnet.bits}`,
    subnet6: `${subnet6.address}/${subnet6.bits}`,
    internal: wish.internal ?? false,
    labels,
    createdAt: new Date(clock.now()).toISOString(),
  };
}

/** Who has which address of a network. */
function takenOn({ store }: Pick<MachinesParts, "store">, network: string, but?: string): ReadonlyMap<string, string> {
  const taken = new Map<string, string>();
  for (const { machine } of store.allMachines()) {
    if (machine.id === but) continue;
    for (const { network: name, ip, ip6 } of machine.spec.networks ?? []) {
      if (name !== network) continue;
      if (ip !== undefined) taken.set(ip, `machine ${machine.name}`);
      if (ip6 !== undefined) taken.set(ip6, `machine ${machine.name}`);
    }
  }
  return taken;
}

/** A place on a network with its addresses. Nothing waits in here, so that no two machines get the same. Throws NETWORK_NOT_FOUND and what `choosePlace` throws. */
export function place(context: Needs, wish: Attachment, field: string, machineId?: string): Attachment {
  requireNetworks(context);
  if (wish.network === DEFAULT_NETWORK && !context.store.networks().some(({ name }) => name === DEFAULT_NETWORK)) {
    const network = planNetwork(context, { name: DEFAULT_NETWORK });
    context.store.insertNetwork(network, [{ type: "network.created", details: { network: network.name, subnet: network.subnet } }]);
  }
  const network = networkOf(context, wish.network);
  const { ip, ip6 } = choosePlace(network, wish, takenOn(context, network.name, machineId), field);
  return { network: network.name, ip, ip6, ...(wish.aliases === undefined ? {} : { aliases: [...wish.aliases] }) };
}

/** A resolved spec with the addresses of its networks. Throws as `place`. */
export function placed(context: Needs, spec: MachineSpec): MachineSpec {
  if (spec.network !== "bridge") return spec;
  const wishes = spec.networks ?? [{ network: DEFAULT_NETWORK }];
  const networks = wishes.map((wish, index) => place(context, wish, `networks[${index}]`));
  checkPublishing(context, spec, networks);
  return { ...spec, networks };
}

/** Throws INVALID_REQUEST for ports that the network or the host cannot have. */
export function checkPublishing(context: Needs, { ports = [] }: MachineSpec, [attachment]: readonly Attachment[]): void {
  if (attachment === undefined || ports.length === 0) return;
  if (networkOf(context, attachment.network).internal) {
    const reason = `network ${attachment.network} is internal, and has no way to the host`;
    throw new IsthmusError("INVALID_REQUEST", { field: "ports", value: `${ports.length} ports`, reason });
  }
  const own = new Set([...ANY, ...(context.networkHost?.addresses() ?? [])]);
  for (const [index, { address }] of ports.entries()) {
    if (own.has(address) || address.startsWith("127.")) continue;
    const reason = "it is no address of this host; 0.0.0.0 and :: are all of them";
    throw new IsthmusError("INVALID_REQUEST", { field: `ports[${index}].address`, value: address, reason });
  }
}

const ANY = ["0.0.0.0", "::"] as const;

/** What a clone asks for: the network and the other names of its original, with addresses of its own. */
export function withoutAddresses(spec: MachineSpec): MachineSpec {
  if (spec.networks === undefined) return spec;
  return { ...spec, networks: spec.networks.map(({ ip: _ip, ip6: _ip6, ...rest }) => rest) };
}

/** a device of Linux has 15 characters */
const TAP_ID_CHARS = 12;

export function tapOf(id: string): string {
  return `tap${id.slice(0, TAP_ID_CHARS)}`;
}

/** Where the network device of a machine goes that has one on a tap. */
export function nicOf(context: Needs, { machine }: MachineRecord): Nic | undefined {
  const [attachment] = machine.spec.networks ?? [];
  if (machine.spec.network !== "bridge" || context.networkHost === undefined) return undefined;
  const tap = tapOf(machine.id);
  if (attachment === undefined) return { namespace: context.networkHost.parking.namespace, tap };
  const { subnet, subnet6, name } = networkOf(context, attachment.network);
  const [block, block6] = [blockOf(subnet), blockOf(subnet6)];
  return {
    namespace: context.networkHost.namespace(name),
    tap,
    place: {
      address: `${attachment.ip}/${block.bits}`,
      gateway: nth(block, 1),
      address6: `${attachment.ip6}/${block6.bits}`,
      gateway6: nth(block6, 1),
    },
  };
}
