import { randomBytes } from "node:crypto";
import { type Block, blockHolds, IsthmusError, plainAddress, plainBlock } from "@isthmus/contract";
import type { StoredNetwork } from "./ports.ts";

/** bits of an IPv4 subnet: fewer than 8 addresses are of no use, more than 65,536 machines are on no network */
const BITS_LEAST = 16;
const BITS_MOST = 29;
const BITS6 = 64;
/** Networks without a wish get 10.89.0.0/24, 10.89.1.0/24 and so on, up to 10.95.255.0/24. */
const DEFAULT_BITS = 24;
const DEFAULT_SECOND = [89, 95] as const;

export function number4(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function address4(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/** The address of this number in a block. Of an IPv6 block, which is a /64, the last group only, which reaches to 65,535. */
export function nth(block: Block, number: number): string {
  if (block.family === 4) return address4(number4(block.address) + number);
  const text = plainAddress(`${block.address.replace(/::$/, "")}::${number.toString(16)}`);
  if (text === undefined) throw new IsthmusError("INTERNAL", { reason: `no address ${number} in ${block.address}` });
  return text;
}

/** How many addresses machines and gateway can have. */
export function room(block: Block): number {
  return 2 ** (32 - block.bits) - 2;
}

export function overlaps(one: Block, other: Block): boolean {
  return blockHolds(one, other) || blockHolds(other, one);
}

function invalid(field: string, value: string, reason: string): IsthmusError {
  return new IsthmusError("INVALID_REQUEST", { field, value, reason });
}

/** The block that a stored network has. */
export function blockOf(text: string): Block {
  const block = plainBlock(text);
  if (block === undefined) throw new IsthmusError("STORE_FAILED", { reason: `a network has the block ${text}` });
  return block;
}

/** An IPv4 block for a network, which nothing else has. `taken` are others' blocks and the host's addresses. Throws INVALID_REQUEST, NO_CAPACITY. Pure. */
export function chooseSubnet(wanted: string | undefined, taken: readonly Block[]): Block {
  if (wanted !== undefined) return wantedBlock(wanted, "subnet", taken);
  for (let second = DEFAULT_SECOND[0]; second <= DEFAULT_SECOND[1]; second += 1)
    for (let third = 0; third < 256; third += 1) {
      const block: Block = { family: 4, address: `10.${second}.${third}.0`, bits: DEFAULT_BITS };
      if (!taken.some((other) => overlaps(block, other))) return block;
    }
  throw new IsthmusError("NO_CAPACITY", { what: "one more network's addresses", needed: 1, free: 0 });
}

/** As `chooseSubnet`, of IPv6: a unique local block (RFC 4193) when none is wanted. */
export function chooseSubnet6(wanted: string | undefined, taken: readonly Block[]): Block {
  if (wanted !== undefined) return wantedBlock(wanted, "subnet6", taken);
  for (;;) {
    const [a = "", b = "", c = ""] = randomBytes(5).toString("hex").padStart(12, "0").match(/..../g) ?? [];
    const block = plainBlock(`${plainAddress(`fd${a.slice(2)}:${b}:${c}::`)}/${BITS6}`);
    if (block !== undefined && !taken.some((other) => overlaps(block, other))) return block;
  }
}

function wantedBlock(text: string, field: "subnet" | "subnet6", taken: readonly Block[]): Block {
  const block = plainBlock(text);
  const family = field === "subnet" ? 4 : 6;
  if (block === undefined || block.family !== family)
    throw invalid(
      field,
      text,
      `it is an IPv${family} block such as ${family === 4 ? "10.40.0.0/24" : "fd40::/64"}, with no bits set behind its prefix`,
    );
  const [least, most] = family === 4 ? [BITS_LEAST, BITS_MOST] : [BITS6, BITS6];
  if (block.bits < least || block.bits > most)
    throw invalid(field, text, `its prefix must be ${least === most ? least : `${least} to ${most}`}`);
  const first = Number.parseInt(block.address.split(/[.:]/)[0] ?? "", family === 4 ? 10 : 16);
  const odd =
    family === 4 ? first === 0 || first === 127 || first >= 224 || block.address.startsWith("169.254.") : first < 0x2000 || first >= 0xfe80;
  if (odd) throw invalid(field, text, "machines cannot have addresses of that block");
  const other = taken.find((one) => overlaps(block, one));
  if (other !== undefined) throw invalid(field, text, `it overlaps ${other.address}/${other.bits}, which another network or this host has`);
  return block;
}

export interface Wish {
  readonly ip?: string;
  readonly ip6?: string;
}
export interface Place {
  readonly ip: string;
  readonly ip6: string;
}

/** Addresses of a network for a machine. `taken` tells who has an address. Throws INVALID_REQUEST, ADDRESS_TAKEN, NETWORK_FULL. Pure. */
export function choosePlace(network: StoredNetwork, wish: Wish, taken: ReadonlyMap<string, string>, field: string): Place {
  const block = blockOf(network.subnet);
  const block6 = blockOf(network.subnet6);
  const held = new Map([...taken, [nth(block, 1), "the gateway"], [nth(block6, 1), "the gateway"]]);
  const given = wish.ip === undefined ? undefined : wantedAddress(network, block, wish.ip, held, `${field}.ip`);
  const given6 = wish.ip6 === undefined ? undefined : wantedAddress(network, block6, wish.ip6, held, `${field}.ip6`);
  const number = given === undefined ? freeNumber(block, block6, held, given6 === undefined) : number4(given) - number4(block.address);
  if (number === undefined) throw new IsthmusError("NETWORK_FULL", { name: network.name, limit: room(block) });
  const beside = nth(block6, number);
  const number6 = held.has(beside) ? freeNumber6(block6, held) : number;
  return { ip: given ?? nth(block, number), ip6: given6 ?? nth(block6, number6) };
}

function freeNumber(block: Block, block6: Block, held: ReadonlyMap<string, string>, both: boolean): number | undefined {
  for (let number = 2; number <= room(block); number += 1)
    if (!held.has(nth(block, number)) && !(both && held.has(nth(block6, number)))) return number;
  return undefined;
}

function freeNumber6(block6: Block, held: ReadonlyMap<string, string>): number {
  let number = 2;
  while (held.has(nth(block6, number))) number += 1;
  return number;
}

function wantedAddress(network: StoredNetwork, block: Block, text: string, held: ReadonlyMap<string, string>, field: string): string {
  const address = plainAddress(text);
  const inside = address === undefined ? undefined : plainBlock(address);
  if (address === undefined || inside === undefined || !blockHolds(block, inside))
    throw invalid(field, text, `it must be an address of ${block.address}/${block.bits}, the block of network ${network.name}`);
  const last = block.family === 4 ? nth(block, 2 ** (32 - block.bits) - 1) : undefined;
  if (address === block.address || address === last) throw invalid(field, text, "the first and the last address of a block are nobody's");
  const holder = held.get(address);
  if (holder !== undefined) throw new IsthmusError("ADDRESS_TAKEN", { name: network.name, value: address, holder });
  return address;
}
