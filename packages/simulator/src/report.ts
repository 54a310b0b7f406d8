import type { Scenario } from "./scenario.ts";

/** What became of one start that was asked for; ms of simulated time. */
export interface Outcome {
  readonly tenant: string;
  readonly askedMs: number;
  grantedMs?: number;
  runningMs?: number;
  endedMs?: number;
  /** code of its refusal */
  refusedBy?: string;
}

export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface TenantReport {
  readonly tenant: string;
  readonly weight: number;
  readonly asked: number;
  readonly ran: number;
  readonly waiting: number;
  readonly refused: number;
  /** part of all machines that ran */
  readonly share: number;
  /** from the request to running, ms */
  readonly latencyMs: Quantiles;
  /** of it in the queue, ms */
  readonly queuedMs: Quantiles;
}

export interface Report {
  readonly scenario: string;
  readonly asked: number;
  readonly ran: number;
  readonly waiting: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly latencyMs: Quantiles;
  readonly startsPerSecond: number;
  /** part of the machines' memory that ran, of what the hosts have, mean over time */
  readonly utilisation: number;
  /** Jain's index of starts per weight, of the tenants that had to wait and while all of them did: 1 is as fair as can be (Jain, Chiu, Hawe, 1984) */
  readonly fairness: number;
  readonly tenants: readonly TenantReport[];
  /** every start that ran: when it was asked for and what it took, ms */
  readonly starts: readonly (readonly [askedMs: number, latencyMs: number])[];
}

export function reportOf(scenario: Scenario, outcomes: readonly Outcome[]): Report {
  const ran = outcomes.filter(({ runningMs }) => runningMs !== undefined);
  const refusals: Record<string, number> = {};
  for (const { refusedBy } of outcomes) if (refusedBy !== undefined) refusals[refusedBy] = (refusals[refusedBy] ?? 0) + 1;
  const tenants = scenario.tenants.map(({ name, weight = 1 }) =>
    tenantReport(
      name,
      weight,
      outcomes.filter(({ tenant }) => tenant === name),
      ran.length,
    ),
  );
  const last = ran.reduce((most, { runningMs = 0 }) => Math.max(most, runningMs), 0);
  const first = outcomes[0]?.askedMs ?? 0;
  return {
    scenario: scenario.name,
    asked: outcomes.length,
    ran: ran.length,
    waiting: outcomes.filter(waits).length,
    refusals,
    latencyMs: quantiles(ran.map(latency)),
    startsPerSecond: last > first ? (ran.length / (last - first)) * 1000 : 0,
    utilisation: utilisation(scenario, ran),
    fairness: fairness(scenario, outcomes),
    tenants,
    starts: ran.map((one) => [one.askedMs, latency(one)]),
  };
}

function tenantReport(tenant: string, weight: number, own: readonly Outcome[], all: number): TenantReport {
  const ran = own.filter(({ runningMs }) => runningMs !== undefined);
  return {
    tenant,
    weight,
    asked: own.length,
    ran: ran.length,
    waiting: own.filter(waits).length,
    refused: own.filter(({ refusedBy }) => refusedBy !== undefined).length,
    share: all === 0 ? 0 : ran.length / all,
    latencyMs: quantiles(ran.map(latency)),
    queuedMs: quantiles(ran.map(({ askedMs, grantedMs = 0 }) => grantedMs - askedMs)),
  };
}

const latency = ({ askedMs, runningMs = 0 }: Outcome) => runningMs - askedMs;
const waits = ({ grantedMs, refusedBy }: Outcome) => grantedMs === undefined && refusedBy === undefined;

function utilisation({ hosts, durationMs, tenants }: Scenario, ran: readonly Outcome[]): number {
  const memory = new Map(tenants.map(({ name, memoryMib = 128 }) => [name, memoryMib]));
  let used = 0;
  for (const { tenant, runningMs = 0, endedMs = durationMs } of ran) used += (memory.get(tenant) ?? 0) * (endedMs - runningMs);
  return used / (hosts.count * hosts.memoryGib * 1024 * durationMs);
}

/** Who asks for little gets all of it: what is fair shows only while several want more than there is. */
function fairness({ tenants }: Scenario, outcomes: readonly Outcome[]): number {
  const granted = tenants.map(({ name, weight = 1 }) => {
    const own = outcomes.filter(({ tenant, grantedMs }) => tenant === name && grantedMs !== undefined);
    const waited = own.filter(({ askedMs, grantedMs = 0 }) => grantedMs > askedMs);
    return { weight, own, lastMs: waited.reduce((most, { grantedMs = 0 }) => Math.max(most, grantedMs), 0) };
  });
  const contending = granted.filter(({ lastMs }) => lastMs > 0);
  const untilMs = Math.min(...contending.map(({ lastMs }) => lastMs));
  return jain(contending.map(({ own, weight }) => own.filter(({ grantedMs = 0 }) => grantedMs <= untilMs).length / weight));
}

/** 1 when there is nothing to share. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((all, one) => all + one, 0);
  const squares = shares.reduce((all, one) => all + one * one, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}

export function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
