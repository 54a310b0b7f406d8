import ipaddr from "ipaddr.js";

/** A block of addresses in its shortest form: `address` is its first one, `bits` how many of them are fixed. */
export interface Block {
  readonly family: 4 | 6;
  readonly address: string;
  readonly bits: number;
}

/**
 * An IPv4 or IPv6 address in its one spelling (`10.0.0.1`, `fd00::1`), or undefined when `text` is none. Spellings that programs read differently are none: octal, hexadecimal
 * and short forms of IPv4, zones and IPv4 written inside IPv6.
 */
export function plainAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return /(^|\.)0\d/.test(text) ? undefined : text;
  if (!ipaddr.IPv6.isValid(text) || text.includes("%") || text.includes(".")) return undefined;
  return ipaddr.IPv6.parse(text).toRFC5952String();
}

/** 4 or 6, of an address in its one spelling. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/** The block that `10.0.0.0/8`, `fd00::/8` or a single address names, or undefined when it is none or has bits set behind its prefix. */
export function plainBlock(text: string): Block | undefined {
  const [head = "", bitsText, extra] = text.split("/");
  const address = plainAddress(head);
  if (address === undefined || extra !== undefined) return undefined;
  const family = familyOf(address);
  const most = family === 4 ? 32 : 128;
  if (bitsText === undefined) return { family, address, bits: most };
  if (!/^\d{1,3}$/.test(bitsText) || Number(bitsText) > most) return undefined;
  const bits = Number(bitsText);
  const first =
    family === 4
      ? ipaddr.IPv4.networkAddressFromCIDR(`${address}/${bits}`).toString()
      : ipaddr.IPv6.networkAddressFromCIDR(`${address}/${bits}`).toRFC5952String();
  return first === address ? { family, address, bits } : undefined;
}

/** `10.0.0.0/8`; without the prefix when it is a single address. */
export function blockText({ family, address, bits }: Block): string {
  return bits === (family === 4 ? 32 : 128) ? address : `${address}/${bits}`;
}

/** Whether all of `inner` lies in `outer`. */
export function blockHolds(outer: Block, inner: Block): boolean {
  if (outer.family !== inner.family || inner.bits < outer.bits) return false;
  if (outer.family === 4) return ipaddr.IPv4.parse(inner.address).match(ipaddr.IPv4.parse(outer.address), outer.bits);
  return ipaddr.IPv6.parse(inner.address).match(ipaddr.IPv6.parse(outer.address), outer.bits);
}
