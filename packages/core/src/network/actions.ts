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
  /**
   * A machine that runs and has a device on no network is on this one when it resolves, with the ports that it publishes; one without a process when it starts next. Throws STATE_CONFLICT for others,
   * what addresses throw, PORT_TAKEN, and for one that runs AGENT_UNREACHABLE, AGENT_REFUSED, HOST_COMMAND_FAILED: it is on none then.
   */
  connect(name: string, wish: NetworkConnect): Promise<Machine>;
  /** A machine that runs is off the network when it resolves, and keeps its device; one without a process has none when it starts next. Throws STATE_CONFLICT as `connect`, HOST_COMMAND_FAILED. */
  disconnect(name: string, machine: string): Promise<Machine>;
}
