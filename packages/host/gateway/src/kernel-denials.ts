import { plainAddress } from "@isthmus/contract";
import type { Denials } from "./denials.ts";
import type { Nft } from "./nft.ts";
import type { MachinePlan } from "./plan.ts";
import { TABLE } from "./rules/base.ts";
import { BRIDGE_TABLE, spoofKinds } from "./rules/bridge.ts";

type Key = string | number;

interface Counted {
  readonly key: readonly Key[];
  readonly packets: number;
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
const isKey = (value: unknown): value is Key => typeof value === "string" || typeof value === "number";

/** The elements of a set with counters, as `nft -j list set` gives them. */
function elements(list: readonly unknown[]): Counted[] {
  const elem: unknown = list.map((entry) => member(member(entry, "set"), "elem")).find(Array.isArray) ?? [];
  return (Array.isArray(elem) ? elem : []).flatMap((entry: unknown) => {
    const inner = member(entry, "elem");
    const val = member(inner, "val");
    const concat: unknown = member(val, "concat") ?? [val];
    const packets = member(member(inner, "counter"), "packets");
    return Array.isArray(concat) && concat.every(isKey) && typeof packets === "number" ? [{ key: concat, packets }] : [];
  });
}

const sets = ["denied4", "denied6", "denied4x", "denied6x"] as const;

/** Reads what the kernel counted of packets that it refused. */
export class KernelDenials {
  readonly #nft: Nft;
  readonly #denials: Denials;
  /** counts of the last look and of the one before, by set */
  readonly #last = new Map<string, readonly [Map<string, number>, Map<string, number>]>();
  /** by mark: packets of the total that no table told yet, below 0 where tables told of more, which were read a moment later */
  readonly #apart = new Map<number, number>();

  constructor(nft: Nft, denials: Denials) {
    this.#nft = nft;
    this.#denials = denials;
  }

  /** The tables were made anew. */
  reset(): void {
    this.#last.clear();
    this.#apart.clear();
  }

  /** Throws HOST_COMMAND_FAILED, PROTOCOL. */
  async read(plans: ReadonlyMap<string, MachinePlan>): Promise<void> {
    const byMark = new Map([...plans.values()].map(({ mark, machine }) => [mark, machine.id]));
    const byTap = new Map([...plans.values()].map(({ machine }) => [machine.tap, machine.id]));
    for (const { key, packets } of await this.#grown(BRIDGE_TABLE, "spoofed")) {
      const machine = byTap.get(String(key[0]));
      const name = spoofKinds[Number(key[1])];
      if (machine !== undefined && name !== undefined) this.#denials.add({ machine, kind: "spoofed", name }, packets);
    }
    const totals = await this.#grown(TABLE, "denied");
    if (totals.length === 0) return;
    for (const { key, packets } of totals) this.#move(Number(key[0]), packets);
    for (const set of sets) for (const counted of await this.#grown(TABLE, set)) this.#told(counted, byMark);
    for (const [mark, packets] of this.#apart) {
      const machine = byMark.get(mark);
      // What no place was left for in the tables.
      if (packets > 0 && machine !== undefined) this.#denials.add({ machine, kind: "limit", name: "denials" }, packets);
      if (packets >= 0 || machine === undefined) this.#apart.delete(mark);
    }
  }

  #move(mark: number, packets: number): void {
    this.#apart.set(mark, (this.#apart.get(mark) ?? 0) + packets);
  }

  #told({ key: [mark, address, protocol, port], packets }: Counted, byMark: ReadonlyMap<number, string>): void {
    this.#move(Number(mark), -packets);
    const machine = byMark.get(Number(mark));
    if (machine === undefined) return;
    const where = plainAddress(String(address)) ?? String(address);
    const known = port === undefined ? {} : { port: Number(port) };
    this.#denials.add(
      { machine, kind: "address", address: where, ...known, protocol: String(protocol).replace("ipv6-icmp", "icmpv6") },
      packets,
    );
  }

  /**
   * What was added to each element since the last look. One whose count fell had been forgotten by the kernel meanwhile. The kernel lists a set that grows: it may give an element twice,
   * or leave one out, whose count is found in the look before the last.
   */
  async #grown(table: string, set: string): Promise<Counted[]> {
    const [before, older] = this.#last.get(set) ?? [];
    const now = new Map<string, Counted>();
    for (const counted of elements(await this.#nft.list(`list set ${table} ${set}`))) {
      const key = JSON.stringify(counted.key);
      if (counted.packets >= (now.get(key)?.packets ?? 0)) now.set(key, counted);
    }
    this.#last.set(set, [new Map([...now].map(([key, { packets }]) => [key, packets])), before ?? new Map()]);
    return [...now].flatMap(([text, { key, packets }]) => {
      const known = before?.get(text) ?? older?.get(text) ?? 0;
      const more = packets >= known ? packets - known : packets;
      return more > 0 ? [{ key, packets: more }] : [];
    });
  }
}
