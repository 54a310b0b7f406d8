import { IsthmusError, type Machine, type Network, type NetworkConnect, type NetworkSpec } from "@isthmus/contract";
import type { NetworkActions } from "@isthmus/core";

/** Networks in memory; machines on them are those that were connected. */
export class FakeNetworks implements NetworkActions {
  readonly entries = new Map<string, Network>();
  readonly #machine: (ref: string) => Machine;

  constructor(machine: (ref: string) => Machine) {
    this.#machine = machine;
  }

  create({ name, subnet = "10.89.0.0/24", subnet6 = "fd89::/64", internal = false, labels = {} }: NetworkSpec): Network {
    if (this.entries.has(name)) throw new IsthmusError("NETWORK_EXISTS", { name });
    const createdAt = new Date().toISOString();
    const addresses = { subnet, subnet6, gateway: "10.89.0.1", gateway6: "fd89::1" };
    const network: Network = { name, ...addresses, internal, labels, createdAt, namespace: "isthmus-0", machines: [] };
    this.entries.set(name, network);
    return network;
  }

  list(): readonly Network[] {
    return [...this.entries.values()];
  }

  get(name: string): Network {
    const found = this.entries.get(name);
    if (found === undefined) throw new IsthmusError("NETWORK_NOT_FOUND", { name });
    return found;
  }

  async remove(name: string): Promise<Network> {
    const found = this.get(name);
    const [user] = found.machines;
    if (user !== undefined) throw new IsthmusError("NETWORK_IN_USE", { name, holder: user.machineName });
    this.entries.delete(name);
    return found;
  }

  async prune(): Promise<readonly Network[]> {
    return await Promise.all(
      this.list()
        .filter(({ machines }) => machines.length === 0)
        .map(({ name }) => this.remove(name)),
    );
  }

  async connect(name: string, { machine: ref, ip = "10.89.0.2", ip6 = "fd89::2", aliases = [] }: NetworkConnect): Promise<Machine> {
    const machine = this.#machine(ref);
    this.get(name).machines.push({ machineId: machine.id, machineName: machine.name, ip, ip6, aliases: [...aliases], holds: false });
    return machine;
  }

  async disconnect(name: string, ref: string): Promise<Machine> {
    const machine = this.#machine(ref);
    const { machines } = this.get(name);
    machines.splice(0, machines.length, ...machines.filter(({ machineId }) => machineId !== machine.id));
    return machine;
  }
}
