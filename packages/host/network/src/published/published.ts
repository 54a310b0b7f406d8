import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError, type PublishedPort } from "@isthmus/contract";
import type { Log, Publication } from "@isthmus/core";
import { PORTS_RETRY_MS, PUBLISHER_RETRY_MS } from "../config.ts";
import type { NetworkNames } from "../names.ts";
import type { PublishedWays, Way, Whose } from "../publisher/messages.ts";
import { type InnerPort, InnerPorts } from "./inner-ports.ts";
import { PublisherLink } from "./publisher-link.ts";

/** Ports of one machine. */
interface Entry extends PublishedWays {
  readonly inner: InnerPorts;
  ways: readonly Way[];
  /** The publisher that had them has ended, and they do not listen. */
  lost: boolean;
}

/** The machine with this address of a network. */
export interface Member {
  readonly names: NetworkNames;
  readonly address: string;
}

const keyOf = ({ namespace, address }: Whose): string => `${namespace} ${address}`;
const innerPortsOf = (address: string, ways: readonly Way[]): InnerPort[] =>
  ways.map(({ port, target }) => ({ protocol: port.protocol, inner: target.port, address, guest: port.guest }));

/** Ports of the host that lead to machines of networks, by their networks' ways out. The publisher listens; it is there while there are any. */
export class Published {
  readonly #log: Log;
  readonly #link: PublisherLink;
  readonly #inner = new Map<string, InnerPorts>();
  readonly #entries = new Map<string, Entry>();
  #restoring = false;

  constructor(options: { readonly home: string; readonly runFolder: string; readonly log: Log }) {
    this.#log = options.log;
    this.#link = new PublisherLink({ home: options.home, runFolder: options.runFolder, lost: () => this.#lost() });
  }

  /** Ports of a machine; they listen when it resolves. Throws PORT_TAKEN, HOST_COMMAND_FAILED, NETWORK_UNAVAILABLE, NO_CAPACITY, TIMEOUT. */
  async publish({ names, address }: Member, ports: readonly PublishedPort[]): Promise<Publication> {
    const inner = this.#innerOf(names);
    const outside = inner.address;
    const { namespace } = names;
    const known = this.#entries.get(keyOf({ namespace, address }));
    if (known !== undefined) await this.#close(known);
    const ways: Way[] = [];
    const entry: Entry = { namespace, address, inner, ways, lost: false };
    try {
      for (const port of ports) ways.push({ port, target: { address: outside, port: inner.reserve() } });
      await this.#link.use(async (publisher) => {
        entry.ways = await publisher.publish(entry);
        this.#entries.set(keyOf(entry), entry);
      });
    } catch (error) {
      inner.giveBack(ways.map(({ target }) => target.port));
      await this.#endWhenIdle();
      throw error;
    }
    try {
      await inner.add(innerPortsOf(address, entry.ways));
    } catch (error) {
      await this.#close(entry);
      throw error;
    }
    return this.#publicationOf(entry);
  }

  /** Those of these machines whose ports an earlier daemon published and that go on, in their order. All other ports of an earlier daemon's are freed. Never rejects. */
  async takeUp(wanted: readonly (Member & { readonly ports: readonly PublishedPort[] })[]): Promise<readonly (Publication | undefined)[]> {
    await this.#link
      .find(async (publisher) => {
        for (const found of await publisher.list()) {
          const { namespace, address, ways } = found;
          const member = wanted.find((one) => one.names.namespace === namespace && one.address === address);
          if (member === undefined || !fits(found, member.ports, this.#innerOf(member.names))) await publisher.end(found);
          else {
            const inner = this.#innerOf(member.names);
            inner.keep(innerPortsOf(address, ways));
            this.#entries.set(keyOf(found), { namespace, address, inner, ways, lost: false });
          }
        }
      })
      .catch((error: unknown) => this.#log.warn({ err: error }, "published ports of an earlier daemon could not be taken up"));
    await this.#endWhenIdle();
    return wanted.map(({ names, address }) => {
      const entry = this.#entries.get(keyOf({ namespace: names.namespace, address }));
      return entry && this.#publicationOf(entry);
    });
  }

  /** Of a network that is taken up: rules of what an earlier daemon published and is no more go. Throws HOST_COMMAND_FAILED, NETWORK_UNAVAILABLE. */
  async clear(names: NetworkNames): Promise<void> {
    await this.#innerOf(names).clear();
  }

  /** Leaves all to the next daemon. */
  close(): void {
    this.#link.close();
  }

  #publicationOf(entry: Entry): Publication {
    return {
      ports: entry.ways.map(({ port }) => port),
      open: async () => (await this.#link.ifThere((publisher) => publisher.count(entry))) ?? 0,
      holder: () => this.#link.ifThere(async ({ pid }) => pid),
      close: () => this.#close(entry),
    };
  }

  async #close(entry: Entry): Promise<void> {
    if (this.#entries.get(keyOf(entry)) !== entry) return;
    this.#entries.delete(keyOf(entry));
    await this.#link
      .ifThere((publisher) => publisher.end(entry))
      .catch((error: unknown) => this.#log.warn({ ...whose(entry), err: error }, "the publisher could not be told to free ports"));
    // A network whose last machine ends goes, and its rules with it.
    entry.inner
      .remove(innerPortsOf(entry.address, entry.ways))
      .catch((error: unknown) => this.#log.debug({ ...whose(entry), err: error }, "rules of published ports are gone already"));
    await this.#endWhenIdle();
  }

  /** Nothing is left behind. */
  async #endWhenIdle(): Promise<void> {
    await this.#link
      .endIf(() => this.#entries.size === 0)
      .catch((error: unknown) => this.#log.warn({ err: error }, "the publisher could not be ended"));
  }

  /** The publisher has ended, which nobody told it to: it is started anew, with the same ports. */
  #lost(): void {
    for (const entry of this.#entries.values()) entry.lost = true;
    if (this.#entries.size === 0 || this.#restoring) return;
    this.#restoring = true;
    this.#restore()
      .catch((error: unknown) => this.#log.error({ err: error }, "published ports could not be restored"))
      .finally(() => {
        this.#restoring = false;
      });
  }

  async #restore(): Promise<void> {
    const lost = () => [...this.#entries.values()].filter((entry) => entry.lost);
    this.#log.warn({ machines: lost().length }, "the publisher has ended, and its ports do not listen; starting it anew");
    // One that ends at once every time is not started all the time.
    for (let delay = PUBLISHER_RETRY_MS; lost().length > 0; delay = PORTS_RETRY_MS) {
      await sleep(delay);
      if (this.#link.closed) return;
      for (const entry of lost()) await this.#publishAgain(entry);
    }
  }

  async #publishAgain(entry: Entry): Promise<void> {
    try {
      await this.#link.use(async (publisher) => {
        if (this.#entries.get(keyOf(entry)) !== entry) return;
        await publisher.publish(entry);
        entry.lost = false;
      });
      this.#log.info({ ...whose(entry), ports: entry.ways.length }, "published ports listen again");
    } catch (error) {
      if (!this.#link.closed) this.#log.warn({ ...whose(entry), err: error }, "ports of a machine cannot be published again; trying again");
    }
  }

  #innerOf(names: NetworkNames): InnerPorts {
    const known = this.#inner.get(names.namespace) ?? new InnerPorts(names);
    this.#inner.set(names.namespace, known);
    return known;
  }
}

const whose = ({ namespace, address }: Whose): Whose => ({ namespace, address });

function fits({ ways }: PublishedWays, ports: readonly PublishedPort[], inner: InnerPorts): boolean {
  const same = (one: PublishedPort, other: PublishedPort) =>
    one.protocol === other.protocol && one.address === other.address && one.host === other.host && one.guest === other.guest;
  try {
    const outside = inner.address;
    return (
      ways.length === ports.length && ways.every(({ port, target }, at) => same(port, ports[at] ?? port) && target.address === outside)
    );
  } catch (error) {
    // Its network is broken, and made anew.
    if (error instanceof IsthmusError) return false;
    throw error;
  }
}
