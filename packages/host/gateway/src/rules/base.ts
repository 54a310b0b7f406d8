import { type Block, blockText, type GatewayState } from "@isthmus/contract";
import { DNS_PORT, KERNEL_DENIALS, KERNEL_DENIALS_KEPT, STAND_INS } from "../config.ts";
import { never4, never6 } from "../never.ts";
import { ownBlocks } from "../plan.ts";

export const TABLE = "inet isthmus";

const list = (blocks: readonly Block[]): string => blocks.map(blockText).join(", ");

/** The host's and the gateway's own addresses, as they are now. */
export function ownAddresses(state: GatewayState): string {
  const own = ownBlocks(state);
  const add = (family: 4 | 6): string[] => {
    const some = own.filter((block) => block.family === family);
    return some.length === 0 ? [] : [`add element ${TABLE} own${family} { ${list(some)} }`];
  };
  return [`flush set ${TABLE} own4`, `flush set ${TABLE} own6`, ...add(4), ...add(6)].join("\n");
}

function sets(): string {
  const kept = `size ${KERNEL_DENIALS}; flags dynamic,timeout; timeout ${KERNEL_DENIALS_KEPT};`;
  return `  set never4 { type ipv4_addr; flags interval; elements = { ${list(never4)} } }
  set never6 { type ipv6_addr; flags interval; elements = { ${list(never6)} } }
  set own4 { type ipv4_addr; }
  set own6 { type ipv6_addr; }
  map from4 { type ipv4_addr : verdict; }
  map from6 { type ipv6_addr : verdict; }
  map tls4 { type ipv4_addr : verdict; }
  map tls6 { type ipv6_addr : verdict; }
  map standin4 { type ipv4_addr : ipv4_addr; size ${STAND_INS}; }
  map standin6 { type ipv6_addr : ipv6_addr; size ${STAND_INS}; }
  set live { type mark; }
  set denied { type mark; ${kept} }
  set denied4 { type mark . ipv4_addr . inet_proto . inet_service; ${kept} }
  set denied6 { type mark . ipv6_addr . inet_proto . inet_service; ${kept} }
  set denied4x { type mark . ipv4_addr . inet_proto; ${kept} }
  set denied6x { type mark . ipv6_addr . inet_proto; ${kept} }`;
}

// The mark of a packet here is that of its machine.
const denied = `  chain denied {
    update @denied { meta mark counter }
    meta nfproto ipv4 meta l4proto { tcp, udp } update @denied4 { meta mark . ip daddr . meta l4proto . th dport counter } goto refuse
    meta nfproto ipv6 meta l4proto { tcp, udp } update @denied6 { meta mark . ip6 daddr . meta l4proto . th dport counter } goto refuse
    meta nfproto ipv4 update @denied4x { meta mark . ip daddr . meta l4proto counter } goto refuse
    meta nfproto ipv6 update @denied6x { meta mark . ip6 daddr . meta l4proto counter } goto refuse
  }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }`;

function input({ bridge, gateway: { v4, v6 } }: GatewayState): string {
  const dns = (address: string): string[] => {
    const to = `iifname "${bridge}" ${address.includes(":") ? "ip6" : "ip"} daddr ${address}`;
    return [
      `${to} meta l4proto { tcp, udp } th dport ${DNS_PORT} accept`,
      `${to} ${address.includes(":") ? "icmpv6 type echo-request" : "icmp type echo-request"} accept`,
    ];
  };
  const lines = [
    'iifname "lo" accept',
    "ct state invalid drop",
    "ct state established,related accept",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    // connections that our own rules sent to the check of TLS
    `iifname "${bridge}" ct status dnat accept`,
    ...dns(v4),
    ...(v6 === undefined ? [] : dns(v6)),
    "meta pkttype { broadcast, multicast } drop",
    `iifname "${bridge}" ip saddr vmap @counted4`,
    `iifname "${bridge}" ip6 saddr vmap @counted6`,
  ];
  return `  map counted4 { type ipv4_addr : verdict; }
  map counted6 { type ipv6_addr : verdict; }
  chain input { type filter hook input priority filter; policy drop;
${lines.map((line) => `    ${line}`).join("\n")}
  }`;
}

function forward({ bridge, uplink }: GatewayState): string {
  const lines = [
    "ct state invalid drop",
    `iifname "${bridge}" oifname "${bridge}" accept`,
    ...(uplink === undefined
      ? []
      : [
          `iifname "${uplink}" oifname "${bridge}" ct status dnat accept`,
          `iifname "${uplink}" oifname "${bridge}" ct state established,related ct mark @live accept`,
          `iifname "${bridge}" oifname "${uplink}" ip saddr vmap @from4`,
          `iifname "${bridge}" oifname "${uplink}" ip6 saddr vmap @from6`,
        ]),
    // no way leads there, whatever the policy
    `iifname "${bridge}" ip saddr vmap @counted4`,
    `iifname "${bridge}" ip6 saddr vmap @counted6`,
  ];
  return `  chain forward { type filter hook forward priority filter; policy drop;
${lines.map((line) => `    ${line}`).join("\n")}
  }`;
}

function nat({ bridge, uplink, subnet }: GatewayState): string {
  const lines =
    uplink === undefined
      ? []
      : [
          `oifname "${uplink}" ip saddr ${subnet.v4} masquerade`,
          ...(subnet.v6 === undefined ? [] : [`oifname "${uplink}" ip6 saddr ${subnet.v6} masquerade`]),
        ];
  return `  chain prerouting { type nat hook prerouting priority dstnat; policy accept;
    iifname "${bridge}" ip saddr vmap @tls4
    iifname "${bridge}" ip6 saddr vmap @tls6
  }
  chain postrouting { type nat hook postrouting priority srcnat; policy accept;
${lines.map((line) => `    ${line}`).join("\n")}
  }`;
}

/** Everything of the table that is not about one machine. Takes the place of whatever table there was. */
export function base(state: GatewayState): string {
  return `table ${TABLE} {
${sets()}
${denied}
${input(state)}
${forward(state)}
${nat(state)}
}
${ownAddresses(state)}`;
}

/** What makes two states differ in `base`, but for the host's addresses. */
export function baseKey({ bridge, uplink, gateway, subnet }: GatewayState): string {
  return JSON.stringify([bridge, uplink, gateway, subnet]);
}
