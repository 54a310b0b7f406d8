import { access, stat } from "node:fs/promises";
import { IsthmusError } from "@isthmus/contract";
import { ControlServer } from "@isthmus/control";
import {
  PUBLISHED_CONNECTIONS,
  PUBLISHED_CONNECTIONS_OF_ALL,
  PUBLISHER_PROTOCOL,
  UDP_ASSOCIATIONS,
  UDP_ASSOCIATIONS_OF_ALL,
} from "../config.ts";
import type { Listener } from "./listener.ts";
import { type PublishedWays, type PublisherReply, type PublisherRequest, readRequest, type Way, type Whose } from "./messages.ts";
import { Room } from "./room.ts";
import { listenTcp } from "./tcp.ts";
import { listenUdp } from "./udp.ts";

export interface PublisherOptions {
  readonly socket: string;
  /** the data folder of its daemon */
  readonly home: string;
  readonly lookEveryMs: number;
}

/** Ports of one machine that listen. */
interface Held extends PublishedWays {
  readonly listeners: readonly Listener[];
  readonly tcp: Room;
  readonly udp: Room;
}

const keyOf = ({ namespace, address }: Whose): string => `${namespace} ${address}`;

/** Listens on published ports and passes on what comes, for one daemon after the other. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #held = new Map<string, Held>();
  readonly #tcp = new Room(PUBLISHED_CONNECTIONS_OF_ALL);
  readonly #udp = new Room(UDP_ASSOCIATIONS_OF_ALL);
  readonly #control: ControlServer<PublisherRequest, PublisherReply>;
  readonly #stopped = Promise.withResolvers<void>();
  /** of the socket's file */
  #inode: number | undefined;
  #stopping = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#control = new ControlServer({
      name: "publisher",
      readRequest,
      hello: (): PublisherReply => ({ type: "hello", protocol: PUBLISHER_PROTOCOL, pid: process.pid }),
      handle: (request) => this.#handle(request),
    });
  }

  /** Settles when it has been told to stop, or nobody needs it any more. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** Throws HOST_COMMAND_FAILED. */
  async start(): Promise<void> {
    const { socket, lookEveryMs } = this.#options;
    await this.#control.listen(socket);
    this.#inode = (await stat(socket)).ino;
    setInterval(() => void this.#look(), lookEveryMs);
  }

  /** Frees all ports and ends. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const held of this.#held.values()) free(held.listeners);
    // The reply to who asked for it goes out first.
    setImmediate(() => void this.#control.close().then(() => this.#stopped.resolve()));
  }

  /** One that no daemon can find, or has nothing to do when there is none, would be left for ever. */
  async #look(): Promise<void> {
    if (this.#control.heard) return;
    if (this.#held.size > 0 && (await this.#isFound())) return;
    // A daemon may have come meanwhile.
    if (!this.#control.heard) this.stop();
  }

  async #isFound(): Promise<boolean> {
    try {
      await access(this.#options.home);
      return (await stat(this.#options.socket)).ino === this.#inode;
    } catch {
      return false;
    }
  }

  async #handle(request: PublisherRequest): Promise<PublisherReply> {
    const { seq } = request;
    if (this.#stopping) throw new IsthmusError("SHUTTING_DOWN");
    switch (request.type) {
      case "publish":
        return { type: "published", seq, ways: [...(await this.#publish(request))] };
      case "end":
        this.#end(request);
        return { type: "done", seq };
      case "count":
        return { type: "counted", seq, open: this.#count(request) };
      case "list":
        return {
          type: "listed",
          seq,
          all: [...this.#held.values()].map(({ namespace, address, ways }) => ({ namespace, address, ways: [...ways] })),
        };
      case "stop":
        this.stop();
        return { type: "done", seq };
    }
  }

  /** As they are really published: never port 0. Throws PORT_TAKEN; none of them listens then. */
  async #publish({ namespace, address, ways }: PublishedWays): Promise<readonly Way[]> {
    this.#end({ namespace, address });
    const [tcp, udp] = [new Room(PUBLISHED_CONNECTIONS, this.#tcp), new Room(UDP_ASSOCIATIONS, this.#udp)];
    const listeners = new Map<Way, Listener>();
    try {
      // Fixed ones first, so that a free one is not just theirs.
      for (const way of ways.toSorted((a, b) => Number(a.port.host === 0) - Number(b.port.host === 0))) {
        const { port, target } = way;
        listeners.set(way, await (port.protocol === "udp" ? listenUdp(port, target, udp) : listenTcp(port, target, tcp)));
      }
    } catch (error) {
      free([...listeners.values()]);
      throw error;
    }
    const real = ways.map((way) => ({ ...way, port: listeners.get(way)?.port ?? way.port }));
    this.#held.set(keyOf({ namespace, address }), { namespace, address, ways: real, listeners: [...listeners.values()], tcp, udp });
    return real;
  }

  #end(whose: Whose): void {
    const key = keyOf(whose);
    free(this.#held.get(key)?.listeners ?? []);
    this.#held.delete(key);
  }

  #count(whose: Whose): number {
    const held = this.#held.get(keyOf(whose));
    return held === undefined ? 0 : held.tcp.taken + held.udp.taken;
  }
}

function free(listeners: readonly Listener[]): void {
  for (const listener of listeners) listener.close();
}
