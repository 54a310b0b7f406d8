import { plainAddress } from "@isthmus/contract";
import type { Answer } from "dns-packet";
import { ANSWER_ADDRESSES, CNAME_CHAIN, LOCAL_TTL_S } from "../config.ts";
import type { Denials } from "../denials.ts";
import { nameMayOpen } from "../never.ts";
import { type HostRule, type MachinePlan, ownBlocks, rulesFor } from "../plan.ts";
import type { Applied } from "../rules/ruleset.ts";
import type { Ties } from "../ties.ts";
import type { LocalAnswer, LocalNames } from "./local-names.ts";
import { type Query, rcodeOf, rcodes, reply } from "./message.ts";
import { ask, type Upstream } from "./upstream.ts";

/** What answers depend on. */
export interface World {
  readonly applied: Applied;
  readonly names: LocalNames;
  readonly ties: Ties;
  readonly denials: Denials;
}

/** Kinds of questions that are answered to nobody: everything at once, and copies of zones. */
const refusedTypes: ReadonlySet<string> = new Set(["ANY", "AXFR", "IXFR"]);
/** SVCB and HTTPS give addresses that no set would hold, and keys that hide the server's name. */
const hidingTypes: ReadonlySet<string> = new Set(["UNKNOWN_64", "UNKNOWN_65", "SVCB", "HTTPS"]);

function localReply(query: Query, answer: LocalAnswer): Buffer {
  if (answer.kind === "none") return reply(query, rcodes.noName, { ours: true });
  const own = { name: query.name, ttl: LOCAL_TTL_S, class: "IN" as const };
  const answers: Answer[] =
    answer.kind === "names"
      ? query.type === "PTR"
        ? answer.names.map((data) => ({ ...own, type: "PTR", data }))
        : []
      : answer.machines.flatMap(({ v4, v6 }): Answer[] => {
          if (query.type === "A") return [{ ...own, type: "A", data: v4 }];
          return query.type === "AAAA" && v6 !== undefined ? [{ ...own, type: "AAAA", data: v6 }] : [];
        });
  return reply(query, rcodes.ok, { answers, ours: true });
}

/** The records of an answer that are about the name that was asked for, by way of aliases (CNAME). */
export function chain(query: Query, answers: readonly Answer[]): Answer[] {
  const kept: Answer[] = [];
  let name = query.plainName;
  const plain = (text: string): string => text.replace(/\.$/, "").toLowerCase();
  for (let step = 0; step <= CNAME_CHAIN; step += 1) {
    const here = answers.filter((record) => plain(record.name) === name);
    const found = here.filter((record) => record.type === query.type);
    if (found.length > 0) return [...kept, ...found];
    const alias = here.find((record) => record.type === "CNAME");
    if (alias?.type !== "CNAME" || query.type === "CNAME") return kept;
    kept.push(alias);
    name = plain(alias.data);
  }
  return [];
}

/** Answers one question of a machine, within its policy. */
export async function answer(query: Query, plan: MachinePlan, world: World): Promise<Buffer> {
  if (refusedTypes.has(query.type)) return reply(query, query.type === "ANY" ? rcodes.unknown : rcodes.refused);
  const local = world.names.look(query.plainName);
  if (local) return localReply(query, local);
  const { state } = world.applied;
  if (state.uplink === undefined) return reply(query, rcodes.noName, { ours: true });
  if (plan.open) {
    const upstream = await ask(state.upstreams, query, "whole");
    return upstream ? asAsked(query, upstream, plan) : reply(query, rcodes.failed);
  }
  const rules = rulesFor(plan, query.plainName);
  if (rules.length === 0) {
    world.denials.add({ machine: plan.machine.id, kind: "dns", name: printable(query.plainName) });
    return reply(query, rcodes.noName, { ours: true, blocked: true });
  }
  if (hidingTypes.has(query.type)) return reply(query, rcodes.ok);
  const upstream = await ask(state.upstreams, query, "plain");
  if (!upstream) return reply(query, rcodes.failed);
  return allowed(query, plan, rules, upstream, world);
}

/** Names in events are what can be shown. */
function printable(name: string): string {
  return name.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, 253);
}

/** A server's answer under the client's id. Addresses of IPv6 are of no use to a machine without. */
function asAsked(query: Query, { bytes }: Upstream, plan: MachinePlan): Buffer {
  if (query.type === "AAAA" && plan.machine.v6 === undefined && rcodeOf(bytes) === rcodes.ok) return reply(query, rcodes.ok);
  const copy = Buffer.from(bytes);
  copy.writeUInt16BE(query.id, 0);
  return copy;
}

/** An answer of a name that is allowed: its addresses are opened before it is given. */
async function allowed(
  query: Query,
  plan: MachinePlan,
  rules: readonly HostRule[],
  { bytes, packet }: Upstream,
  world: World,
): Promise<Buffer> {
  const rcode = rcodeOf(bytes);
  const authorities = (packet.authorities ?? []).filter((record) => record.type === "SOA");
  if (rcode !== rcodes.ok) return reply(query, rcode, { authorities });
  const records = chain(query, packet.answers ?? []).map((record) =>
    "ttl" in record ? { ...record, ttl: world.ties.ttl(record.ttl ?? 0) } : record,
  );
  if (query.type !== "A" && query.type !== "AAAA") return reply(query, rcode, { answers: records, authorities });
  const opened = await open(query, plan, rules, records, world);
  const answers = records.filter((record) => record.type === "CNAME" || opened.has(addressOf(record) ?? ""));
  return reply(query, rcode, { answers: opened.size > 0 ? answers : answers.filter(({ type }) => type === "CNAME"), authorities });
}

function addressOf(record: Answer): string | undefined {
  return record.type === "A" || record.type === "AAAA" ? plainAddress(record.data) : undefined;
}

async function open(
  query: Query,
  plan: MachinePlan,
  rules: readonly HostRule[],
  records: readonly Answer[],
  { applied, ties, denials }: World,
): Promise<Set<string>> {
  const machine = plan.machine.id;
  const own = ownBlocks(applied.state);
  const wildcard = rules.every(({ host }) => host.startsWith("*."));
  const found = records.flatMap((record) => {
    if (record.type !== "A" && record.type !== "AAAA") return [];
    const address = addressOf(record);
    if (address !== undefined && nameMayOpen(address, own, wildcard)) return [{ address, ttl: record.ttl ?? 0 }];
    denials.add({ machine, kind: "rebinding", name: query.plainName, address: address ?? record.data });
    return [];
  });
  const wanted = found.slice(0, ANSWER_ADDRESSES);
  const opened = await ties.open(plan, query.plainName, rules, wanted);
  if (opened.size < wanted.length && ties.full(machine)) denials.add({ machine, kind: "limit", name: "addresses" });
  return opened;
}
