import type { EgressDenial, GatewayMachine, NetworkRates, PublishedPort } from "@isthmus/contract";
import type { NewEvent } from "../machine/stored-events.ts";

/** A network as it is kept. Who is on it follows from the machines. */
export interface StoredNetwork {
  readonly name: string;
  /** 10.89.0.0/24 */
  readonly subnet: string;
  /** fd89::/64 */
  readonly subnet6: string;
  readonly internal: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: string;
}

/** What the store keeps of networks. */
export interface NetworkTables {
  /** by name */
  networks(): readonly StoredNetwork[];
  insertNetwork(network: StoredNetwork, events: readonly NewEvent[]): void;
  /** A no-op when there is none. */
  deleteNetwork(name: string, events: readonly NewEvent[]): void;
}

/** Where a machine's network device goes. */
export interface Nic {
  /** the network's, as `ip netns` knows it; it is there when the machine starts, and the tap in it */
  readonly namespace: string;
  readonly tap: string;
  /** absent: it is on no network */
  readonly place?: NicPlace;
}

/** What a machine has on its network. */
export interface NicPlace {
  /** with prefix: 10.89.0.2/24 */
  readonly address: string;
  readonly gateway: string;
  /** with prefix: fd89::2/64 */
  readonly address6: string;
  readonly gateway6: string;
}

/** What may go through a tap. */
export interface TapRates {
  readonly tap: string;
  readonly rates: NetworkRates;
}

/** A network as it is to be on the host. */
export interface NetworkState {
  readonly network: StoredNetwork;
  readonly gateway: { readonly v4: string; readonly v6: string };
  /** those that are on it now */
  readonly machines: readonly GatewayMachine[];
  /** of those of them that are limited */
  readonly rates: readonly TapRates[];
}

/** Ports of the machine with this address of a network. */
export interface MachinePorts {
  readonly network: string;
  readonly address: string;
  readonly ports: readonly PublishedPort[];
}

/** Ports of the host that lead to a machine. They go on when this daemon ends. */
export interface Publication {
  /** as really published */
  readonly ports: readonly PublishedPort[];
  /** How many connections, and senders of UDP, are open. Throws HOST_COMMAND_FAILED, TIMEOUT, PROTOCOL. */
  open(): Promise<number>;
  /** pid of the process that listens; undefined when none does at this moment */
  holder(): Promise<number | undefined>;
  /** The ports are free when it resolves; what is open ends. Never rejects. */
  close(): Promise<void>;
}

/** Where taps are that are on no network. */
export interface Parking {
  readonly namespace: string;
  /** A tap for a machine that is about to start. Throws HOST_COMMAND_FAILED. */
  add(tap: string): Promise<void>;
  /** Removes all but these; whether any are there then. Throws HOST_COMMAND_FAILED. */
  keep(taps: ReadonlySet<string>): Promise<boolean>;
}

/** Networks on this host. */
export interface NetworkHost {
  /** Why none can be made here; undefined when they can. */
  refusal(): string | undefined;
  namespace(network: string): string;
  /** of all interfaces of the host, in their one spelling */
  addresses(): readonly string[];
  /** Of machines that have a device and are on no network. */
  readonly parking: Parking;
  /** Brings a network about as it is to be, whole. Called for one network at a time. Taps in `leaving` that are on it and have no place there go to the parking, those of its machines come from there. Throws HOST_COMMAND_FAILED, TIMEOUT. */
  apply(state: NetworkState, leaving: ReadonlySet<string>): Promise<void>;
  /** Sets what may go through a tap of a network that was brought about; what is absent is not limited. Called as `apply` is. Throws HOST_COMMAND_FAILED. */
  limit(network: string, limits: TapRates): Promise<void>;
  /** Has ports of a machine on a network, which is there, listen. Throws PORT_TAKEN, HOST_COMMAND_FAILED, NETWORK_UNAVAILABLE, NO_CAPACITY, TIMEOUT. */
  publish(wanted: MachinePorts): Promise<Publication>;
  /** In their order, those of these ports that an earlier daemon published, and that went on. All others of its are free when it resolves. Called before any are published. Never rejects. */
  takeUpPublished(wanted: readonly MachinePorts[]): Promise<readonly (Publication | undefined)[]>;
  /** Takes a network away but for taps in `leaving`, as `apply`; a no-op when it is not there. Throws HOST_COMMAND_FAILED. */
  remove(network: string, leaving: ReadonlySet<string>): Promise<void>;
  /** Names of networks that an earlier daemon left here. */
  left(): Promise<readonly string[]>;
  /** Who is told of what machines were refused. */
  onDenied(listener: (denial: EgressDenial) => void): void;
  /** Lets go of what goes on without this daemon. */
  close(): void;
}
