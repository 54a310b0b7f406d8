import type { TapRates } from "@isthmus/core";
import { packetRules, tbf } from "./buckets.ts";
import { ip, run, tc } from "./commands.ts";
import { RATES_TABLE } from "./config.ts";
import type { Links } from "./links.ts";

/** What a machine sends is queued before it arrives here, in a device beside its tap: a queue needs a way out of a device. */
export function queueOf(tap: string): string {
  return tap.replace(/^tap/, "ifb");
}

const isQueue = (name: string) => name.startsWith("ifb");

/**
 * Rates of the machines of one network, in its namespace: bytes are held back by tbf, packets that are too many dropped by nftables. What a former daemon set is found in the kernel. One change
 * at a time.
 */
export class RateLimits {
  readonly #namespace: string;
  /** what was set last, by tap */
  readonly #bytes = new Map<string, string>();
  #packets: string | undefined;
  #queues = false;

  /** `fresh`: of a namespace in which nothing was limited yet */
  constructor(namespace: string, fresh = false) {
    this.#namespace = namespace;
    if (fresh) this.#packets = packetTable([]);
  }

  /** True once bytes of a machine were held back: devices have queueing disciplines then. */
  get queues(): boolean {
    return this.#queues;
  }

  /** Throws HOST_COMMAND_FAILED. */
  async apply(all: readonly TapRates[], links: Links): Promise<void> {
    const rates = new Map(all.map((one) => [one.tap, one.rates]));
    const taps = new Set([...links.keys()].filter((name) => name.startsWith("tap")));
    for (const tap of this.#bytes.keys()) if (!taps.has(tap)) this.#bytes.delete(tap);
    for (const tap of taps) await this.#limitBytes({ tap, rates: rates.get(tap) ?? {} }, links);
    const queues = new Set([...taps].map(queueOf));
    const orphans = [...links.keys()].filter((name) => isQueue(name) && !queues.has(name));
    await ip(
      this.#namespace,
      orphans.map((name) => `link del ${name}`),
    );
    await this.#limitPackets(all);
  }

  /** Sets what the tap of one machine has from now on, and leaves those of others. Throws HOST_COMMAND_FAILED. */
  async #limitBytes({ tap, rates: { netReceiveBps, netSendBps } }: TapRates, links: Links): Promise<void> {
    const wanted = JSON.stringify([netReceiveBps, netSendBps]);
    if (this.#bytes.get(tap) === wanted) return;
    this.#bytes.delete(tap);
    this.#queues ||= netReceiveBps !== undefined || netSendBps !== undefined;
    const queue = queueOf(tap);
    const receive = netReceiveBps !== undefined ? [`qdisc replace dev ${tap} root ${tbf(netReceiveBps)}`] : unlimited(tap, links);
    if (netSendBps !== undefined) {
      if (!links.has(queue)) await ip(this.#namespace, [`link add ${queue} type ifb`]);
      await ip(this.#namespace, [`link set ${queue} up`]);
      await tc(this.#namespace, [
        ...receive,
        `qdisc replace dev ${queue} root ${tbf(netSendBps)}`,
        `qdisc replace dev ${tap} ingress`,
        `filter replace dev ${tap} parent ffff: protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev ${queue}`,
      ]);
    } else {
      // Replaced first, since what is not there cannot be taken away; and what leads to the queue goes before it.
      const ingress = links.has(queue) ? [`qdisc replace dev ${tap} ingress`, `qdisc del dev ${tap} ingress`] : [];
      await tc(this.#namespace, [...receive, ...ingress]);
      if (links.has(queue)) await ip(this.#namespace, [`link del ${queue}`]);
    }
    this.#bytes.set(tap, wanted);
  }

  async #limitPackets(all: readonly TapRates[]): Promise<void> {
    const text = packetTable(all);
    if (this.#packets === text) return;
    this.#packets = undefined;
    await run("nsenter", [`--net=/run/netns/${this.#namespace}`, "--", "nft", "-f", "-"], text);
    this.#packets = text;
  }
}

function unlimited(tap: string, links: Links): readonly string[] {
  return links.get(tap) === "tbf" ? [`qdisc del dev ${tap} root`] : [];
}

/** All limits on packets of a network, in the place of those that there were. One look tells whether a packet is of a machine that has one. Pure. */
export function packetTable(all: readonly TapRates[]): string {
  const gone = `table ${RATES_TABLE}\ndelete table ${RATES_TABLE}\n`;
  const from = all.flatMap(({ tap, rates }) => (rates.netSendPps === undefined ? [] : [{ tap, rules: packetRules(rates.netSendPps) }]));
  const to = all.flatMap(({ tap, rates }) => (rates.netReceivePps === undefined ? [] : [{ tap, rules: packetRules(rates.netReceivePps) }]));
  if (from.length + to.length === 0) return gone;
  const chains = (way: string, limited: typeof from) =>
    limited.map(({ tap, rules }) => `  chain ${way}_${tap} { ${rules.join("; ")}; }`).join("\n");
  const verdicts = (way: string, limited: typeof from) => limited.map(({ tap }) => `"${tap}" : jump ${way}_${tap}`).join(", ");
  const hook = (way: string, limited: typeof from, name: string, priority: string, device: string) =>
    limited.length === 0
      ? ""
      : `${chains(way, limited)}\n  chain ${way} { type filter hook ${name} priority ${priority}; ${device} vmap { ${verdicts(way, limited)} }; }\n`;
  return `${gone}table ${RATES_TABLE} {\n${hook("send", from, "prerouting", "-350", "iifname")}${hook("receive", to, "postrouting", "350", "oifname")}}\n`;
}
