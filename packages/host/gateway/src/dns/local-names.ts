import type { GatewayMachine, GatewayState } from "@isthmus/contract";
import { type Block, blockHolds, familyOf, plainAddress, plainBlock } from "@isthmus/contract";

/** What the network itself says of a name: its machine's addresses, the names of an address, that there is no such name, or nothing. */
export type LocalAnswer =
  | { readonly kind: "addresses"; readonly machines: readonly GatewayMachine[] }
  | { readonly kind: "names"; readonly names: readonly string[] }
  | { readonly kind: "none" };

/** The address that a name below in-addr.arpa or ip6.arpa is about. */
export function reversed(name: string): string | undefined {
  const four = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1];
  if (four !== undefined) return plainAddress(four.slice(0, -1).split(".").reverse().join("."));
  const nibbles = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]?.split(".").slice(0, 32).reverse().join("");
  return nibbles === undefined ? undefined : plainAddress((nibbles.match(/.{4}/g) ?? []).join(":"));
}

/** Names of machines of the network: NAME, ALIAS, and both below the network's name; and of their addresses. */
export class LocalNames {
  readonly #names = new Map<string, GatewayMachine[]>();
  readonly #addresses = new Map<string, string[]>();
  readonly #subnets: readonly Block[];
  readonly #suffix: string;

  constructor(state: GatewayState) {
    this.#suffix = `.${state.network.toLowerCase()}`;
    this.#subnets = [state.subnet.v4, state.subnet.v6 ?? ""].flatMap((text) => plainBlock(text) ?? []);
    for (const machine of state.machines) {
      for (const name of new Set([machine.name, ...machine.aliases].map((one) => one.toLowerCase()))) {
        const holders = this.#names.get(name) ?? [];
        holders.push(machine);
        this.#names.set(name, holders);
      }
      for (const address of [machine.v4, machine.v6])
        if (address !== undefined) this.#addresses.set(address, [`${machine.name}${this.#suffix}`, machine.name]);
    }
  }

  /** `name` in small letters, no dot at the end. A name without dots, or of this network, is nobody else's to answer. */
  look(name: string): LocalAnswer | undefined {
    const machines =
      this.#names.get(name) ?? (name.endsWith(this.#suffix) ? this.#names.get(name.slice(0, -this.#suffix.length)) : undefined);
    if (machines) return { kind: "addresses", machines };
    const address = reversed(name);
    const names = address === undefined ? undefined : this.#addresses.get(address);
    if (names) return { kind: "names", names };
    if (address !== undefined && this.#isOurs(address)) return { kind: "none" };
    const ours = !name.includes(".") || (name.endsWith(this.#suffix) && !this.#suffix.slice(1).includes("."));
    return ours && name !== "" && name !== "." ? { kind: "none" } : undefined;
  }

  #isOurs(address: string): boolean {
    const block: Block = { family: familyOf(address), address, bits: address.includes(":") ? 128 : 32 };
    return this.#subnets.some((subnet) => blockHolds(subnet, block));
  }
}
