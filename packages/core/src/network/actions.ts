import type { Machine, Network, NetworkConnect, NetworkSpec } from "@isthmus/contract";

/** What can be done with networks. A network is meant by its name: NETWORK_NOT_FOUND. */
export interface NetworkActions {
  /** Throws INVALID_NAME, INVALID_REQUEST, NETWORK_EXISTS, NETWORK_UNAVAILABLE, NO_CAPACITY. */
  create(spec: NetworkSpec): Network;
  /** By name. */
  list(): readonly Network[];
  get(name: string): Network;
  /** Throws NETWORK_IN_USE when a machine has addresses of it, also one that has ended. */
  remove(name: string): Promise<Network>;
  /** Removes those that no machine has addresses of. */
  prune(): Promise<readonly Network[]>;
  /** The machine is on the network when it starts next. Throws STATE_CONFLICT for one that has a process or is suspended, and what addresses throw. */
  connect(name: string, wish: NetworkConnect): Promise<Machine>;
  /** It has no network when it starts next. Throws STATE_CONFLICT as `connect`. */
  disconnect(name: string, machine: string): Promise<Machine>;
}
