import { randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import { IsthmusError } from "@isthmus/contract";
import { run } from "../commands.ts";
import { INNER_PORT_FIRST, INNER_PORT_LAST, UPLINK } from "../config.ts";
import type { NetworkNames } from "../names.ts";

/** A port of the network's end of its way out that leads to a port of a machine. */
export interface InnerPort {
  readonly protocol: "tcp" | "udp";
  readonly inner: number;
  readonly address: string;
  readonly guest: number;
}

const TABLE = "ip isthmus_published";

/**
 * The way from the host into a network: rules of the network's namespace, beside the gateway's, which lets in what they have translated. Only what the
 * host itself sends is, never what it forwards.
 */
export class InnerPorts {
  readonly #names: NetworkNames;
  readonly #used = new Set<number>();
  /** those that rules lead from, or are to; by number */
  readonly #ruled = new Map<number, InnerPort>();
  /** Numbers are given in turn, so that what is still on its way to a machine that is gone reaches no other. */
  #next = randomInt(INNER_PORT_FIRST, INNER_PORT_LAST);
  #fresh = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(names: NetworkNames) {
    this.#names = names;
  }

  /** Throws NO_CAPACITY. */
  reserve(): number {
    if (this.#used.size > INNER_PORT_LAST - INNER_PORT_FIRST)
      throw new IsthmusError("NO_CAPACITY", { what: "one more published port of the network", needed: 1, free: 0 });
    while (this.#used.has(this.#next)) this.#forward();
    const inner = this.#next;
    this.#used.add(inner);
    this.#forward();
    return inner;
  }

  /** Takes up what an earlier daemon led to a machine; until `clear` its rules are as that one left them. */
  keep(ports: readonly InnerPort[]): void {
    for (const port of ports) {
      this.#used.add(port.inner);
      this.#ruled.set(port.inner, port);
    }
  }

  /** Gives back numbers that nothing was added for. */
  giveBack(numbers: readonly number[]): void {
    for (const inner of numbers) this.#used.delete(inner);
  }

  #forward(): void {
    this.#next = this.#next === INNER_PORT_LAST ? INNER_PORT_FIRST : this.#next + 1;
  }

  /** The network's end of its way out, as seen from the host. Throws NETWORK_UNAVAILABLE. */
  get address(): string {
    return this.#ends().inside;
  }

  #ends(): { readonly host: string; readonly inside: string } {
    const host = networkInterfaces()[this.#names.uplink]?.find(({ family }) => family === "IPv4")?.address;
    if (host === undefined)
      throw new IsthmusError("NETWORK_UNAVAILABLE", { reason: `its device ${this.#names.uplink} is missing or down` });
    return { host, inside: host.replace(/\d+$/, (last) => String(Number(last) + 1)) };
  }

  /** Throws HOST_COMMAND_FAILED, NETWORK_UNAVAILABLE. */
  add(ports: readonly InnerPort[]): Promise<void> {
    const script = this.#script(ports);
    return this.#queue(async () => {
      await this.#clearOnce();
      await this.#nft(script);
      for (const port of ports) this.#ruled.set(port.inner, port);
    });
  }

  /** Gives the numbers back. Throws HOST_COMMAND_FAILED, as when the network is gone, and they with it. */
  remove(ports: readonly InnerPort[]): Promise<void> {
    for (const { inner } of ports) this.#ruled.delete(inner);
    return this.#queue(async () => {
      try {
        await this.#nft(ports.map(({ protocol, inner }) => `delete element ${TABLE} to_${protocol} { ${inner} }`).join("\n"));
      } finally {
        this.giveBack(ports.map(({ inner }) => inner));
      }
    });
  }

  /** What an earlier daemon left goes, but for what is kept. Throws as `add`. */
  clear(): Promise<void> {
    return this.#queue(() => this.#clearOnce());
  }

  #script(ports: readonly InnerPort[]): string {
    const { host, inside } = this.#ends();
    const rule = (protocol: string) =>
      `add rule ${TABLE} prerouting iifname "${UPLINK}" ip saddr ${host} ip daddr ${inside} dnat ip to ${protocol} dport map @to_${protocol}`;
    return `table ${TABLE} {
  map to_tcp { type inet_service : ipv4_addr . inet_service; }
  map to_udp { type inet_service : ipv4_addr . inet_service; }
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; }
}
flush chain ${TABLE} prerouting
${rule("tcp")}
${rule("udp")}
${ports.map(({ protocol, inner, address, guest }) => `add element ${TABLE} to_${protocol} { ${inner} : ${address} . ${guest} }`).join("\n")}`;
  }

  /** In one change, so that what is kept is never without its rules. */
  async #clearOnce(): Promise<void> {
    if (this.#fresh) return;
    const kept = [...this.#ruled.values()];
    await this.#nft(`table ${TABLE}\ndelete table ${TABLE}\n${kept.length === 0 ? "" : this.#script(kept)}`);
    this.#fresh = true;
  }

  #queue(job: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(job);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #nft(script: string): Promise<void> {
    await run("ip", ["netns", "exec", this.#names.namespace, "nft", "-f", "-"], `${script}\n`);
  }
}
