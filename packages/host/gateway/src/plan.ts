import { createHash } from "node:crypto";
import { type Block, type GatewayMachine, type GatewayState, type PortRange, plainBlock, plainEgress } from "@isthmus/contract";
import { TLS_PORTS } from "./config.ts";
import { namesRefused } from "./never.ts";

/** What a rule opens of whatever it names. No ports: all of them. */
interface Opening {
  readonly protocol: "tcp" | "udp" | "icmp" | "any";
  readonly ports: readonly PortRange[] | undefined;
}

/** A rule for a name. Its addresses are in the sets `h<index>_<family>_<mark>`. */
export interface HostRule extends Opening {
  readonly index: number;
  readonly host: string;
  /** ports on which the server's name is checked */
  readonly tlsPorts: readonly number[];
}

export interface BlockRule extends Opening {
  readonly block: Block;
}

/** A machine with its policy, ready to be enforced. */
export interface MachinePlan {
  readonly machine: GatewayMachine;
  readonly open: boolean;
  readonly hosts: readonly HostRule[];
  readonly blocks: readonly BlockRule[];
  /** rules for addresses that are refused otherwise */
  readonly exceptions: readonly BlockRule[];
  /** mark of connections that this policy allowed, 1 to 2^31-1: the same policy of the same machine has the same one, also in the next process */
  readonly mark: number;
  /** equal for plans that need the same rules */
  readonly key: string;
}

const holds = (ports: readonly PortRange[] | undefined, port: number): boolean =>
  ports === undefined || ports.some(({ first, last }) => port >= first && port <= last);

const isTcp = ({ protocol }: Opening): boolean => protocol === "tcp" || protocol === "any";

function ranges(ports: readonly (number | PortRange)[] | undefined): PortRange[] | undefined {
  return ports?.map((one) => (typeof one === "number" ? { first: one, last: one } : one));
}

function markOf(key: string, taken: ReadonlySet<number>): number {
  let mark = createHash("sha256").update(key).digest().readUInt32BE(0) >>> 1 || 1;
  while (taken.has(mark)) mark = (mark % 0x7fff_ffff) + 1;
  return mark;
}

function planOf(machine: GatewayMachine, host: readonly Block[], taken: ReadonlySet<number>): MachinePlan {
  const { default: otherwise, allow } = plainEgress(machine.egress, `machine ${machine.name}: egress`);
  const hosts: HostRule[] = [];
  const blocks: BlockRule[] = [];
  const exceptions: BlockRule[] = [];
  for (const { host: name, cidr, ports, protocol = "tcp" } of allow) {
    const opening: Opening = { protocol, ports: ranges(ports) };
    const block = cidr === undefined ? undefined : plainBlock(cidr);
    if (block) (namesRefused(block, host) ? exceptions : blocks).push({ ...opening, block });
    if (name === undefined || otherwise === "open") continue;
    const tlsPorts = isTcp(opening) ? TLS_PORTS.filter((port) => holds(opening.ports, port)) : [];
    hosts.push({ ...opening, host: name, tlsPorts, index: hosts.length });
  }
  const open = otherwise === "open";
  const { id, tap, mac, v4, v6 } = machine;
  const key = JSON.stringify([id, tap, mac, v4, v6, open, hosts, blocks, exceptions]);
  return { machine, open, hosts, blocks, exceptions, mark: markOf(JSON.stringify([id, open, hosts, blocks, exceptions]), taken), key };
}

/** Addresses that are the host's or the gateway's own. */
export function ownBlocks(state: GatewayState): Block[] {
  const { v4, v6 } = state.gateway;
  return [...state.hostAddresses, v4, ...(v6 === undefined ? [] : [v6])].flatMap((address) => plainBlock(address) ?? []);
}

/** The plans of a state's machines by id. Throws INVALID_REQUEST for a policy that is not valid. */
export function plansOf(state: GatewayState): Map<string, MachinePlan> {
  const host = ownBlocks(state);
  const plans = new Map<string, MachinePlan>();
  const taken = new Set<number>();
  for (const machine of state.machines) {
    const plan = planOf(machine, host, taken);
    taken.add(plan.mark);
    plans.set(machine.id, plan);
  }
  return plans;
}

/** Whether a rule's host is `name` (small letters, no dot at the end). */
export function hostMatches(host: string, name: string): boolean {
  return host.startsWith("*.") ? name.endsWith(host.slice(1)) && name.length > host.length - 1 : host === name;
}

/** The rules of a plan that are about a name. */
export function rulesFor(plan: MachinePlan, name: string): HostRule[] {
  return plan.hosts.filter(({ host }) => hostMatches(host, name));
}

/** Whether a plan opens a TLS port of a server by its name. */
export function opensTls(plan: MachinePlan, name: string, port: number): boolean {
  return rulesFor(plan, name).some(({ tlsPorts }) => tlsPorts.includes(port));
}
