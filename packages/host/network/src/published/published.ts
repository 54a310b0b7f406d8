import type { PublishedPort } from "@isthmus/contract";
import type { Log, Publication } from "@isthmus/core";
import { PUBLISHED_CONNECTIONS, PUBLISHED_CONNECTIONS_OF_ALL, UDP_ASSOCIATIONS, UDP_ASSOCIATIONS_OF_ALL } from "../config.ts";
import type { NetworkNames } from "../names.ts";
import { type InnerPort, InnerPorts } from "./inner-ports.ts";
import type { Listener } from "./listener.ts";
import { Room } from "./room.ts";
import { listenTcp } from "./tcp.ts";
import { listenUdp } from "./udp.ts";

/** Ports of the host that lead to machines of networks, while this process runs: it listens, and passes on what comes by the networks' ways out. */
export class Published {
  readonly #log: Log;
  readonly #inner = new Map<string, InnerPorts>();
  readonly #tcp = new Room(PUBLISHED_CONNECTIONS_OF_ALL);
  readonly #udp = new Room(UDP_ASSOCIATIONS_OF_ALL);
  #closed = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Ports of the machine with this address of the network; they listen when it resolves. Throws PORT_TAKEN, HOST_COMMAND_FAILED, NETWORK_UNAVAILABLE, NO_CAPACITY. */
  async publish(names: NetworkNames, address: string, ports: readonly PublishedPort[]): Promise<Publication> {
    const inner = this.#innerOf(names);
    const outside = inner.address;
    const [tcp, udp] = [new Room(PUBLISHED_CONNECTIONS, this.#tcp), new Room(UDP_ASSOCIATIONS, this.#udp)];
    const ways: InnerPort[] = [];
    const listeners = new Map<number, Listener>();
    const close = () => {
      for (const listener of listeners.values()) listener.close();
      if (ways.length === 0 || this.#closed) return;
      // A network whose last machine ends goes, and its rules with it.
      inner
        .remove(ways)
        .catch((error: unknown) => this.#log.debug({ namespace: names.namespace, err: error }, "published ports are gone already"));
    };
    try {
      // Fixed ones first, so that a free one is not just theirs.
      for (const index of [...ports.keys()].sort((a, b) => Number(ports[a]?.host === 0) - Number(ports[b]?.host === 0))) {
        const port = ports[index];
        if (port === undefined) continue;
        const way = { protocol: port.protocol, inner: inner.reserve(), address, guest: port.guest };
        ways.push(way);
        const target = { address: outside, port: way.inner };
        listeners.set(index, await (port.protocol === "udp" ? listenUdp(port, target, udp) : listenTcp(port, target, tcp)));
      }
      await inner.add(ways);
    } catch (error) {
      close();
      throw error;
    }
    return {
      ports: ports.map((port, index) => listeners.get(index)?.port ?? port),
      get open() {
        return tcp.taken + udp.taken;
      },
      close,
    };
  }

  /** Of a network that is taken up: what an earlier process published goes, unless this one has published there. */
  async takeUp(names: NetworkNames): Promise<void> {
    await this.#innerOf(names).clear();
  }

  /** From here on rules are left to the next process. */
  close(): void {
    this.#closed = true;
  }

  #innerOf(names: NetworkNames): InnerPorts {
    const known = this.#inner.get(names.namespace) ?? new InnerPorts(names);
    this.#inner.set(names.namespace, known);
    return known;
  }
}
