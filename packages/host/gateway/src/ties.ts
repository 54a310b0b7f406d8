import { familyOf } from "@isthmus/contract";
import { MACHINE_TIES, STAND_IN_ROUND, STAND_IN_V4, STAND_IN_V6, STAND_INS, TIE_GRACE_MS, TIE_MAX_MS, TIE_MIN_MS } from "./config.ts";
import type { Nft } from "./nft.ts";
import type { HostRule, MachinePlan } from "./plan.ts";
import { TABLE } from "./rules/base.ts";
import { hostSet } from "./rules/machine.ts";

/** How long addresses stay open after an answer, ms. */
export interface TieTimes {
  readonly minMs: number;
  readonly maxMs: number;
  readonly graceMs: number;
}

const usualTimes: TieTimes = { minMs: TIE_MIN_MS, maxMs: TIE_MAX_MS, graceMs: TIE_GRACE_MS };

interface StandIn {
  readonly text: string;
  expiresAt: number;
}

function standInText(index: number, family: 4 | 6): string {
  if (family === 4) return `${STAND_IN_V4.first}.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  return `${STAND_IN_V6.head}::${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}`.replace("::0:", "::");
}

interface MachineTies {
  /** by name and address: when that address is the name's no more */
  readonly names: Map<string, number>;
  /** by set of nftables and address: when it is forgotten there */
  readonly elements: Map<string, number>;
}

const tieKey = (name: string, address: string): string => `${name} ${address}`;

/**
 * Which addresses names stand for, for each machine by what it was answered, and for how long. Sets of nftables hold the same addresses and forget them at the same time: packets to
 * them pass, and TLS to them goes by an address that stands for the server's, from which `serverOf` finds it again.
 */
export class Ties {
  readonly #nft: Nft;
  readonly #times: TieTimes;
  readonly #now: () => number;
  readonly #machines = new Map<string, MachineTies>();
  /** by address of a server */
  readonly #standIns = new Map<string, StandIn>();
  readonly #servers = new Map<string, string>();
  #next = 0;

  constructor(nft: Nft, times: TieTimes = usualTimes, now: () => number = Date.now) {
    this.#nft = nft;
    this.#times = times;
    this.#now = now;
  }

  /** How long an answer of `ttl` seconds may be kept by whom it is given to, seconds. */
  ttl(seconds: number): number {
    return Math.min(seconds, Math.floor(this.#times.maxMs / 1000));
  }

  /**
   * Opens addresses (in their one spelling) of a name for a machine. Gives those that it opened: there is a limit to how many are open at once. Throws HOST_COMMAND_FAILED.
   */
  async open(
    plan: MachinePlan,
    name: string,
    rules: readonly HostRule[],
    found: readonly { address: string; ttl: number }[],
  ): Promise<Set<string>> {
    this.#forget();
    const { id } = plan.machine;
    const ties = this.#machines.get(id) ?? { names: new Map<string, number>(), elements: new Map<string, number>() };
    this.#machines.set(id, ties);
    const commands: string[] = [];
    const made: string[] = [];
    const opened = new Map<string, number>();
    const written = new Map<string, number>();
    for (const { address, ttl } of found) {
      const family = familyOf(address);
      if (family === 6 && plan.machine.v6 === undefined) continue;
      if (!ties.names.has(tieKey(name, address)) && !opened.has(address) && ties.names.size + opened.size >= MACHINE_TIES) continue;
      const { minMs, maxMs, graceMs } = this.#times;
      const forMs = Math.min(Math.max(ttl * 1000, minMs), maxMs) + graceMs;
      const until = this.#now() + forMs;
      if (rules.some(({ tlsPorts }) => tlsPorts.length > 0)) {
        const known = this.#standIns.has(address);
        const standIn = this.#standIn(address, family, until);
        if (!standIn) continue;
        if (!known) {
          made.push(address);
          commands.push(`add element ${TABLE} standin${family} { ${address} : ${standIn.text} }`);
        }
      }
      for (const { index } of rules) {
        const set = hostSet(plan, index, family);
        // It may be open for long enough already, but for the grace, also by another name with a longer TTL.
        if ((ties.elements.get(tieKey(set, address)) ?? 0) >= until - graceMs) continue;
        commands.push(...this.#element(set, address, forMs));
        written.set(tieKey(set, address), until);
      }
      opened.set(address, until);
    }
    try {
      if (commands.length > 0) await this.#nft.change(commands.join("\n"));
    } catch (error) {
      for (const address of made) this.#forgetStandIn(address);
      throw error;
    }
    for (const [key, until] of written) ties.elements.set(key, Math.max(until, ties.elements.get(key) ?? 0));
    for (const [address, until] of opened)
      ties.names.set(tieKey(name, address), Math.max(until, ties.names.get(tieKey(name, address)) ?? 0));
    return new Set(opened.keys());
  }

  /** Whether a machine was told lately that a name has this address. */
  holds(machine: string, name: string, address: string): boolean {
    return (this.#machines.get(machine)?.names.get(tieKey(name, address)) ?? 0) > this.#now();
  }

  /** The server that an address of ours stands for. */
  serverOf(standIn: string): string | undefined {
    return this.#servers.get(standIn);
  }

  /** Whether nothing more can be opened for a machine. */
  full(machine: string): boolean {
    return (this.#machines.get(machine)?.names.size ?? 0) >= MACHINE_TIES || this.#standIns.size >= STAND_INS;
  }

  /** The rules of these machines were made anew, with empty sets. `whole`: so were the addresses that stand for others. */
  restart(machines: Iterable<string>, whole: boolean): void {
    for (const id of machines) this.#machines.delete(id);
    if (!whole) return;
    this.#standIns.clear();
    this.#servers.clear();
  }

  /** Adding an element that is there changes nothing in older kernels, so it is taken away first, which in turn needs one that is there: all within one transaction. */
  #element(set: string, address: string, forMs: number): string[] {
    const plain = `element ${TABLE} ${set} { ${address} }`;
    return [`add ${plain}`, `delete ${plain}`, `add element ${TABLE} ${set} { ${address} timeout ${forMs}ms }`];
  }

  #standIn(address: string, family: 4 | 6, expiresAt: number): StandIn | undefined {
    const known = this.#standIns.get(address);
    if (known) {
      known.expiresAt = Math.max(known.expiresAt, expiresAt);
      return known;
    }
    if (this.#standIns.size >= STAND_INS) return undefined;
    let text: string;
    do {
      this.#next = (this.#next % STAND_IN_ROUND) + 1;
      text = standInText(this.#next, family);
    } while (this.#servers.has(text));
    const standIn = { text, expiresAt };
    this.#standIns.set(address, standIn);
    this.#servers.set(text, address);
    return standIn;
  }

  #forgetStandIn(address: string): void {
    this.#servers.delete(this.#standIns.get(address)?.text ?? "");
    this.#standIns.delete(address);
  }

  #forget(): void {
    const now = this.#now();
    for (const { names, elements } of this.#machines.values())
      for (const kept of [names, elements]) for (const [key, until] of kept) if (until <= now) kept.delete(key);
  }

  /** Forgets addresses that stand for servers no more. Throws HOST_COMMAND_FAILED. */
  async sweep(): Promise<void> {
    this.#forget();
    const over = [...this.#standIns].filter(([, { expiresAt }]) => expiresAt <= this.#now());
    if (over.length === 0) return;
    for (const [address] of over) this.#forgetStandIn(address);
    await this.#nft.change(over.map(([address]) => `delete element ${TABLE} standin${familyOf(address)} { ${address} }`).join("\n"));
  }
}
