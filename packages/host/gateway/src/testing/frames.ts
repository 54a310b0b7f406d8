import { plainAddress } from "@isthmus/contract";

/** Frames of Ethernet, as hexadecimal digits, for raw.py. */
export interface Addressed {
  readonly mac: string;
  readonly v4: string;
  readonly v6: string;
}

const number = (value: number, bytes: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
};
const mac = (text: string): Buffer => Buffer.from(text.replaceAll(":", ""), "hex");
const four = (text: string): Buffer => Buffer.from(text.split(".").map(Number));

function six(text: string): Buffer {
  const [head = "", tail] = (plainAddress(text) ?? text).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const middle = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return Buffer.from([...left, ...middle, ...right].map((group) => group.padStart(4, "0")).join(""), "hex");
}

/** The checksum of the internet (RFC 1071). */
function checksum(...parts: Buffer[]): Buffer {
  const all = Buffer.concat(parts);
  let sum = 0;
  for (let at = 0; at < all.length; at += 2) sum += all.readUInt8(at) * 256 + (all[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return number(~sum & 0xffff || 0xffff, 2);
}

const ethernet = (to: string, from: string, type: number, body: Buffer): string =>
  Buffer.concat([mac(to), mac(from), number(type, 2), body]).toString("hex");

function ipv6(from: string, to: string, next: number, hops: number, make: (sum: Buffer) => Buffer): Buffer {
  const empty = make(Buffer.alloc(2));
  const sum = checksum(six(from), six(to), number(empty.length, 4), number(next, 4), empty);
  return Buffer.concat([Buffer.from([0x60, 0, 0, 0]), number(empty.length, 2), Buffer.from([next, hops]), six(from), six(to), make(sum)]);
}

/** A datagram to a port, from one to another as they say they are. */
export function udp(from: Addressed, to: Addressed, port: number, family: 4 | 6): string {
  const data = Buffer.from("test");
  const make = (sum: Buffer): Buffer => Buffer.concat([number(40_000, 2), number(port, 2), number(8 + data.length, 2), sum, data]);
  if (family === 6) return ethernet(to.mac, from.mac, 0x86dd, ipv6(from.v6, to.v6, 17, 64, make));
  // no checksum, which IPv4 allows
  const body = make(Buffer.alloc(2));
  const head = (sum: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from([0x45, 0]),
      number(20 + body.length, 2),
      Buffer.from([0, 1, 0, 0, 64, 17]),
      sum,
      four(from.v4),
      four(to.v4),
    ]);
  return ethernet(to.mac, from.mac, 0x0800, Buffer.concat([head(checksum(head(Buffer.alloc(2)))), body]));
}

/** "This address is at this MAC address", told to one that may not have asked. `sender` is the frame's, when it is another. */
export function arpReply(claim: { readonly mac: string; readonly v4: string }, to: Addressed, sender = claim.mac): string {
  const body = Buffer.concat([Buffer.from([0, 1, 8, 0, 6, 4, 0, 2]), mac(claim.mac), four(claim.v4), mac(to.mac), four(to.v4)]);
  return ethernet(to.mac, sender, 0x0806, body);
}

/** The same of IPv6: `target` is at `from`'s MAC address, said by `sender`. */
export function neighbourAdvert(from: string, sender: string, target: string, to: Addressed): string {
  // router, solicited and override
  const make = (sum: Buffer): Buffer =>
    Buffer.concat([Buffer.from([136, 0]), sum, Buffer.from([0xe0, 0, 0, 0]), six(target), Buffer.from([2, 1]), mac(from)]);
  return ethernet(to.mac, from, 0x86dd, ipv6(sender, to.v6, 58, 255, make));
}

/** "I am a router", to all. */
export function routerAdvert(from: string, sender: string): string {
  const make = (sum: Buffer): Buffer =>
    Buffer.concat([Buffer.from([134, 0]), sum, Buffer.from([64, 0, 7, 8]), Buffer.alloc(8), Buffer.from([1, 1]), mac(from)]);
  return ethernet("33:33:00:00:00:01", from, 0x86dd, ipv6(sender, "ff02::1", 58, 255, make));
}

/** The same frame with a tag of VLAN 5. */
export function tagged(frame: string): string {
  return `${frame.slice(0, 24)}81000005${frame.slice(24)}`;
}

/** A frame of some protocol with nothing in it. */
export function plainFrame(from: string, to: string, type: number): string {
  return ethernet(to, from, type, Buffer.alloc(46));
}
