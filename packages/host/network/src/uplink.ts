import { readFile, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { IsthmusError, plainAddress } from "@isthmus/contract";
import { ip, run } from "./commands.ts";
import { HOST_RULES, RESOLV_CONF, UPLINK, UPLINK_SECOND, UPLINK6, UPLINKS } from "./config.ts";
import { replaced } from "./host-rules.ts";
import { type NetworkNames, UPLINK_PREFIX } from "./names.ts";

/** The two ends of a network's way out: `host` in the daemon's own namespace, `inside` in the network's. */
interface Ends {
  readonly host: string;
  readonly inside: string;
  readonly block: string;
}

function ends4(number: number): Ends {
  const at = (last: number) => `100.${UPLINK_SECOND}.${Math.floor(number / 64)}.${(number % 64) * 4 + last}`;
  return { host: at(1), inside: at(2), block: `${at(0)}/30` };
}

function ends6(number: number): Ends {
  const head = `${UPLINK6}:${number.toString(16)}::`;
  return { host: `${head}1`, inside: `${head}2`, block: `${head}/64` };
}

/** of all interfaces of this host, in their one spelling */
export function hostAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return [...new Set(all.flatMap(({ address }) => plainAddress(address) ?? []))];
}

/** DNS servers of this host that its networks can reach: not those on its loopback. */
export async function upstreams(): Promise<readonly string[]> {
  for (const path of RESOLV_CONF) {
    const text = await readFile(path, "utf8").catch(() => "");
    const found = text.split("\n").flatMap((line) => plainAddress(/^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? "") ?? []);
    const usable = found.filter((address) => !address.startsWith("127.") && address !== "::1");
    if (usable.length > 0) return usable;
  }
  return [];
}

/** Makes the way out of a network: a pair of devices, addresses, routes, and rules of the host. Throws HOST_COMMAND_FAILED, NO_CAPACITY. */
export async function makeUplink({ namespace, uplink, table, mark }: NetworkNames): Promise<void> {
  const taken = new Set(hostAddresses());
  let number = 0;
  while (taken.has(ends4(number).host) && number < UPLINKS) number += 1;
  if (number === UPLINKS) throw new IsthmusError("NO_CAPACITY", { what: "one more network's way out", needed: 1, free: 0 });
  const [v4, v6] = [ends4(number), ends6(number)];
  await ip(undefined, [
    `link add ${uplink} type veth peer name ${UPLINK} netns ${namespace}`,
    `link set dev ${uplink} alias ${mark}`,
    `addr add ${v4.host}/30 dev ${uplink}`,
    `addr add ${v6.host}/64 dev ${uplink} nodad`,
    `link set ${uplink} up`,
  ]);
  await ip(namespace, [
    `addr add ${v4.inside}/30 dev ${UPLINK}`,
    `addr add ${v6.inside}/64 dev ${UPLINK} nodad`,
    `link set ${UPLINK} up`,
    `route add default via ${v4.host}`,
    `route add ::/0 via ${v6.host}`,
  ]);
  await run("nft", ["-f", "-"], rules({ table, uplink, mark }, v4, v6));
  await forward();
}

/** What comes from a network goes out under the host's addresses; to the host itself comes what a policy opens (`openHost`), to other networks nothing. */
function rules({ table, uplink, mark }: Pick<NetworkNames, "table" | "uplink" | "mark">, v4: Ends, v6: Ends): string {
  return `
    table inet ${table}
    delete table inet ${table}
    table inet ${table} {
      comment "${mark}"
      chain out {
        type nat hook postrouting priority srcnat;
        ip saddr ${v4.block} oifname != "${uplink}" masquerade
        ip6 saddr ${v6.block} oifname != "${uplink}" masquerade
      }
      chain ${HOST_RULES} { }
      chain host {
        type filter hook input priority filter;
        iifname "${uplink}" ct state established,related accept
        iifname "${uplink}" icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        iifname "${uplink}" jump ${HOST_RULES}
        iifname "${uplink}" drop
      }
      chain between {
        type filter hook forward priority filter;
        iifname "${uplink}" oifname "${UPLINK_PREFIX}*" drop
      }
    }
  `;
}

/** Lets in what `rules` say, in the place of what was let in before. */
export async function openHost({ table }: NetworkNames, rules: string): Promise<void> {
  await run("nft", ["-f", "-"], replaced(table, rules));
}

/** With forwarding a host no longer learns IPv6 routes by itself: where it lives by such a route, whoever runs it decides. */
async function forward(): Promise<void> {
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  const learnt = await run("ip", ["-6", "route", "show", "default", "proto", "ra"]);
  if (learnt.trim() === "") await writeFile("/proc/sys/net/ipv6/conf/all/forwarding", "1").catch(() => undefined);
}

/** Takes the host's part away; the devices go with the namespace. */
export async function removeUplink({ uplink, table }: NetworkNames): Promise<void> {
  await run("nft", ["-f", "-"], `table inet ${table}\ndelete table inet ${table}\n`);
  await run("ip", ["link", "del", uplink]).catch(() => undefined);
}
