import { blockText, type PortRange } from "@isthmus/contract";
import { TLS_PORTS } from "../config.ts";
import type { BlockRule, HostRule, MachinePlan } from "../plan.ts";
import { TABLE } from "./base.ts";

const QUIC_PORT = 443;

/** The set of a rule's addresses. It bears the policy's mark: an answer that was on its way when the policy changed finds no set of the new one. */
export const hostSet = ({ mark }: MachinePlan, index: number, family: 4 | 6): string => `h${index}_${family}_${mark}`;

const rangeText = ({ first, last }: PortRange): string => (first === last ? `${first}` : `${first}-${last}`);

/** Sorted ranges that do not touch one another, without `holes`. */
function merged(ports: readonly PortRange[], holes: readonly number[] = []): PortRange[] {
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of [...ports].sort((a, b) => a.first - b.first)) {
    const before = result.at(-1);
    if (before && first <= before.last + 1) before.last = Math.max(before.last, last);
    else result.push({ first, last });
  }
  return holes.reduce<PortRange[]>(
    (list, hole) =>
      list.flatMap(({ first, last }) =>
        hole < first || hole > last
          ? [{ first, last }]
          : [
              { first, last: hole - 1 },
              { first: hole + 1, last },
            ].filter((part) => part.first <= part.last),
      ),
    result,
  );
}

const everyPort: readonly PortRange[] = [{ first: 0, last: 65_535 }];
const portSet = (ports: readonly PortRange[]): string => `{ ${ports.map(rangeText).join(", ")} }`;

/** One line for each protocol that an opening has, after `to`, which says which addresses. */
function openings(rule: BlockRule | HostRule, to: string, family: 4 | 6, yes: string): string[] {
  const { protocol, ports } = rule;
  const byName = "host" in rule;
  const lines: string[] = [];
  const line = (kind: string, range: readonly PortRange[]): void => {
    if (range.length > 0) lines.push(`${to} ${kind} dport ${portSet(range)} ${yes}`);
  };
  if (protocol === "tcp" || protocol === "any") line("tcp", merged(ports ?? everyPort, byName ? TLS_PORTS : []));
  // QUIC hides the server's name, so a name opens it only where the rule says just that.
  const hidden = byName && !(protocol === "udp" && ports !== undefined);
  if (protocol === "udp" || protocol === "any") line("udp", merged(ports ?? everyPort, hidden ? [QUIC_PORT] : []));
  if (protocol === "icmp" || (protocol === "any" && ports === undefined))
    lines.push(`${to} ${family === 4 ? "icmp" : "icmpv6"} type echo-request ${yes}`);
  return lines;
}

function blockLines(rules: readonly BlockRule[], yes: string): string[] {
  return rules.flatMap((rule) =>
    openings(rule, `${rule.block.family === 4 ? "ip" : "ip6"} daddr ${blockText(rule.block)}`, rule.block.family, yes),
  );
}

const families = ({ machine }: MachinePlan): readonly (4 | 6)[] => (machine.v6 === undefined ? [4] : [4, 6]);

function hostLines(plan: MachinePlan, yes: string): string[] {
  return plan.hosts.flatMap((rule) =>
    families(plan).flatMap((family) =>
      openings(rule, `${family === 4 ? "ip" : "ip6"} daddr @${hostSet(plan, rule.index, family)}`, family, yes),
    ),
  );
}

/** Connections that are to be checked go to an address of ours that stands for the server's, on the same port. */
function tlsLines(plan: MachinePlan): string[] {
  return plan.hosts.flatMap((rule) =>
    families(plan).flatMap((family) => {
      const ip = family === 4 ? "ip" : "ip6";
      const to = `${ip} daddr @${hostSet(plan, rule.index, family)} tcp dport { ${rule.tlsPorts.join(", ")} }`;
      return rule.tlsPorts.length === 0 ? [] : [`${to} dnat ${ip} to ${ip} daddr map @standin${family}`];
    }),
  );
}

function elements(plan: MachinePlan, maps: (family: 4 | 6) => readonly (readonly [string, string])[], verb: "add" | "delete"): string[] {
  const { v4, v6 } = plan.machine;
  const lines = (family: 4 | 6, address: string): string[] =>
    maps(family).map(([map, chain]) => `${verb} element ${TABLE} ${map} { ${address}${verb === "add" ? ` : jump ${chain}` : ""} }`);
  return [...lines(4, v4), ...(v6 === undefined ? [] : lines(6, v6))];
}

const mapsOf =
  ({ machine: { id }, hosts }: MachinePlan) =>
  (family: 4 | 6): (readonly [string, string])[] => [
    [`from${family}`, `m_${id}`],
    [`counted${family}`, `d_${id}`],
    ...(hosts.length > 0 ? [[`tls${family}`, `t_${id}`] as const] : []),
  ];

/** What one machine may reach. */
export function inetMachine(plan: MachinePlan): string {
  const { machine, mark } = plan;
  const { id } = machine;
  const yes = `ct mark set ${mark} accept`;
  const lines = [
    `ct state established,related ct mark ${mark} accept`,
    // answers of a published port
    "ct direction reply ct status dnat accept",
    ...blockLines(plan.exceptions, yes),
    ...["ip daddr @never4", "ip daddr @own4", "ip6 daddr @never6", "ip6 daddr @own6"].map((to) => `${to} goto d_${id}`),
    ...(plan.open ? [yes] : [...blockLines(plan.blocks, yes), ...hostLines(plan, yes)]),
    `goto d_${id}`,
  ];
  const sets = plan.hosts.flatMap(({ index }) =>
    families(plan).map((family) => `  set ${hostSet(plan, index, family)} { type ipv${family}_addr; flags timeout; }`),
  );
  // What a rule opens by its address is not checked.
  const tls = ["ip daddr @own4 return", "ip6 daddr @own6 return", ...blockLines(plan.blocks, "return"), ...tlsLines(plan)];
  return `table ${TABLE} {
${sets.join("\n")}
  chain d_${id} { meta mark set ${mark} goto denied; }
  chain m_${id} {
${lines.map((line) => `    ${line}`).join("\n")}
  }
${plan.hosts.length > 0 ? `  chain t_${id} {\n${tls.map((line) => `    ${line}`).join("\n")}\n  }` : ""}
}
add element ${TABLE} live { ${mark} }
${elements(plan, mapsOf(plan), "add").join("\n")}`;
}

/** Takes it away. */
export function inetWithout(plan: MachinePlan): string {
  const { machine, mark, hosts } = plan;
  const chains = [`m_${machine.id}`, ...(hosts.length > 0 ? [`t_${machine.id}`] : []), `d_${machine.id}`];
  return [
    ...elements(plan, mapsOf(plan), "delete"),
    `delete element ${TABLE} live { ${mark} }`,
    ...chains.map((chain) => `flush chain ${TABLE} ${chain}`),
    ...chains.map((chain) => `delete chain ${TABLE} ${chain}`),
    ...hosts.flatMap(({ index }) => families(plan).map((family) => `delete set ${TABLE} ${hostSet(plan, index, family)}`)),
  ].join("\n");
}
