import { type Block, blockHolds, blockText, type EgressRule, familyOf, type GatewayMachine, plainBlock } from "@isthmus/contract";
import { HOST_RULES } from "./config.ts";

/** A rule for a wider block opens no host: only one within these, or the address by itself. */
const linkLocal = plainBlock("169.254.0.0/16");

/** A chain's rules for what a network's machines, its gateway's name server among them, may reach of the host itself: what policies name, and the DNS servers that it asks. Which machine may is for the gateway to say. */
export function hostRules(machines: readonly Pick<GatewayMachine, "egress">[], host: readonly string[], dns: readonly string[]): string {
  const rules = machines.flatMap(({ egress }) => egress.allow ?? []).flatMap((rule) => openings(rule, host));
  const asked = dns
    .filter((server) => host.includes(server))
    .flatMap((server) => ["tcp", "udp"].map((kind) => `${to(server)} ${kind} dport 53`));
  return [...new Set([...asked, ...rules])].map((match) => `${match} accept`).join("\n");
}

function openings({ cidr, ports, protocol = "tcp" }: EgressRule, host: readonly string[]): string[] {
  const block = plainBlock(cidr ?? "");
  if (block === undefined || !namesHost(block, host)) return [];
  const where = to(blockText(block));
  const kinds = (["tcp", "udp"] as const).filter((kind) => protocol === kind || protocol === "any");
  const range = ports?.map((port) => (typeof port === "number" ? `${port}` : `${port.first}-${port.last}`)) ?? ["0-65535"];
  // A range each, for nft takes no set whose ranges overlap.
  const lines = kinds.flatMap((kind) => range.map((one) => `${where} ${kind} dport ${one}`));
  if (protocol === "icmp" || (protocol === "any" && ports === undefined))
    lines.push(`${where} ${block.family === 4 ? "icmp" : "icmpv6"} type echo-request`);
  return lines;
}

/** As the gateway reads it: a rule opens the host when it names nothing but what is refused otherwise. */
function namesHost(block: Block, host: readonly string[]): boolean {
  const hosts = host.flatMap((address) => plainBlock(address) ?? []);
  if (hosts.some((one) => blockHolds(one, block))) return true;
  return linkLocal !== undefined && blockHolds(linkLocal, block) && hosts.some((one) => blockHolds(block, one));
}

function to(address: string): string {
  return `${familyOf(address) === 4 ? "ip" : "ip6"} daddr ${address}`;
}

/** Replaces the chain of a table in one step. */
export function replaced(table: string, rules: string): string {
  return `table inet ${table} {\n chain ${HOST_RULES} { }\n}\nflush chain inet ${table} ${HOST_RULES}\ntable inet ${table} {\n chain ${HOST_RULES} {\n${rules}\n }\n}\n`;
}
