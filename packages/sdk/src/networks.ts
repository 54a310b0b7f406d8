import type { Machine, Network, NetworkConnect, NetworkSpec } from "@isthmus/contract";
import type { CallOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** The networks of a host. Methods that take `name` throw NETWORK_NOT_FOUND. */
export class Networks {
  readonly #transport: Transport;

  /** Use `isthmus.networks`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** A network; machines join it by `networks` of their spec. Throws NETWORK_EXISTS, NETWORK_UNAVAILABLE when the daemon is not root. */
  create(spec: NetworkSpec, options: CallOptions = {}): Promise<Network> {
    return this.#transport.json({ method: "POST", path: "/networks", json: spec, signal: options.signal });
  }

  /** All networks with who is on them, by name. */
  async list(options: CallOptions = {}): Promise<readonly Network[]> {
    const { signal } = options;
    const { networks } = await this.#transport.json<{ networks: readonly Network[] }>({ method: "GET", path: "/networks", signal });
    return networks;
  }

  /** One network. */
  get(name: string, options: CallOptions = {}): Promise<Network> {
    return this.#transport.json({ method: "GET", path: pathOf(name), signal: options.signal });
  }

  /** Throws NETWORK_IN_USE when a machine has addresses of it, also one that has ended. */
  remove(name: string, options: CallOptions = {}): Promise<Network> {
    return this.#transport.json({ method: "DELETE", path: pathOf(name), signal: options.signal });
  }

  /** Removes those that no machine has addresses of. Returns what it removed. */
  async prune(options: CallOptions = {}): Promise<readonly Network[]> {
    const call = { method: "POST", path: "/networks/prune", signal: options.signal } as const;
    return (await this.#transport.json<{ networks: readonly Network[] }>(call)).networks;
  }

  /**
   * Puts a machine on a network: one that runs, and has a device that is on none, at once, one without a process from its next start on. Throws STATE_CONFLICT for others, ADDRESS_TAKEN, NETWORK_FULL,
   * and of one that runs PORT_TAKEN, AGENT_UNREACHABLE, HOST_COMMAND_FAILED.
   */
  connect(name: string, wish: NetworkConnect, options: CallOptions = {}): Promise<Machine> {
    return this.#transport.json({ method: "POST", path: `${pathOf(name)}/connect`, json: wish, signal: options.signal });
  }

  /** Takes a machine off a network, as `connect`. */
  disconnect(name: string, machine: string, options: CallOptions = {}): Promise<Machine> {
    return this.#transport.json({ method: "POST", path: `${pathOf(name)}/disconnect`, json: { machine }, signal: options.signal });
  }
}

function pathOf(name: string): string {
  return `/networks/${encodeURIComponent(name)}`;
}
