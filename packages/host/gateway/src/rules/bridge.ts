import type { GatewayMachine } from "@isthmus/contract";
import { KERNEL_DENIALS, KERNEL_DENIALS_KEPT } from "../config.ts";
import type { MachinePlan } from "../plan.ts";

export const BRIDGE_TABLE = "bridge isthmus";

/** What is counted of frames that bear another sender than their machine's; the mark of a kind in the set `spoofed` is its place here. */
export const spoofKinds = ["mac", "arp", "ipv4", "ipv6", "ndp", "other"] as const;

/** Frames pass only from ports of the bridge that are a machine's, and only with that machine's addresses. */
export function bridgeBase(): string {
  const kinds = spoofKinds.map(
    (kind, mark) => `  chain s_${kind} { meta mark set ${mark} update @spoofed { iifname . meta mark counter } drop; }`,
  );
  return `table ${BRIDGE_TABLE} {
  map ports { type ifname : verdict; }
  set spoofed { type ifname . mark; size ${KERNEL_DENIALS}; flags dynamic,timeout; timeout ${KERNEL_DENIALS_KEPT}; }
${kinds.join("\n")}
  chain prerouting { type filter hook prerouting priority -300; policy drop; iifname vmap @ports; }
}`;
}

/** The link-local address that Linux makes of a MAC address (RFC 4291, appendix A). */
export function linkLocal(mac: string): string {
  const bytes = mac.split(":").map((part) => Number.parseInt(part, 16));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = bytes;
  const groups = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f];
  return `fe80::${groups.map((group) => group.toString(16)).join(":")}`;
}

function ipv6Lines(machine: GatewayMachine, refuse: (kind: (typeof spoofKinds)[number]) => string): string[] {
  // A guest without an address of IPv6 speaks it all the same, to find routers: nothing to be told.
  if (machine.v6 === undefined) return ["ether type ip6 drop"];
  const own = `{ ${machine.v6}, ${linkLocal(machine.mac)} }`;
  return [
    `icmpv6 type { nd-router-advert, nd-redirect, 138 } ${refuse("ndp")}`,
    // the target of a neighbour advertisement: 16 bytes after the first 8
    ...[machine.v6, linkLocal(machine.mac)].map(
      (address) => `icmpv6 type nd-neighbor-advert ip6 saddr ${own} @th,64,128 ${hex(address)} accept`,
    ),
    `icmpv6 type nd-neighbor-advert ${refuse("ndp")}`,
    "udp sport 547 drop",
    `ip6 saddr ${own} accept`,
    "ip6 saddr :: icmpv6 type nd-neighbor-solicit ip6 daddr ff02::1:ff00:0/104 accept",
    "ip6 saddr :: drop",
    `ether type ip6 ${refuse("ipv6")}`,
  ];
}

function hex(address: string): string {
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const middle = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return `0x${[...left, ...middle, ...right].map((group) => group.padStart(4, "0")).join("")}`;
}

/** The rules of one port. */
export function bridgeMachine({ machine }: MachinePlan): string {
  const { id, mac, v4, tap } = machine;
  const refuse = (kind: (typeof spoofKinds)[number]): string => `goto s_${kind}`;
  const lines = [
    `ether saddr != ${mac} ${refuse("mac")}`,
    `ether type { 8021q, 8021ad } ${refuse("other")}`,
    `ether type arp arp saddr ether ${mac} arp saddr ip { ${v4}, 0.0.0.0 } accept`,
    `ether type arp ${refuse("arp")}`,
    "ether type ip ip saddr 0.0.0.0 drop",
    "ether type ip udp sport 67 drop",
    `ether type ip ip saddr ${v4} accept`,
    `ether type ip ${refuse("ipv4")}`,
    ...ipv6Lines(machine, refuse),
    refuse("other"),
  ];
  return `table ${BRIDGE_TABLE} {
  chain p_${id} {
${lines.map((line) => `    ${line}`).join("\n")}
  }
}
add element ${BRIDGE_TABLE} ports { "${tap}" : jump p_${id} }`;
}

/** Takes the rules of a port away. */
export function bridgeWithout({ machine: { id, tap } }: MachinePlan): string {
  return [
    `delete element ${BRIDGE_TABLE} ports { "${tap}" }`,
    `flush chain ${BRIDGE_TABLE} p_${id}`,
    `delete chain ${BRIDGE_TABLE} p_${id}`,
  ].join("\n");
}
