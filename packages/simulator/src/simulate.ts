import { hasCode } from "@isthmus/contract";
import type { AdmissionRequest, Grant, Quota } from "@isthmus/core";
import { momentsOf, runMs } from "./arrivals.ts";
import { SimulatedClock } from "./clock.ts";
import { STARTS_MAX } from "./config.ts";
import { SimulatedHost } from "./host.ts";
import { Random } from "./random.ts";
import { type Outcome, type Report, reportOf } from "./report.ts";
import { memoryOf, type Scenario, type TenantScenario } from "./scenario.ts";

/** Plays a scenario to its end. The same scenario and seed give the same report. */
export async function simulate(scenario: Scenario, signal?: AbortSignal): Promise<Report> {
  const clock = new SimulatedClock();
  const quotas = new Map<string, Quota>(scenario.tenants.map(({ name, weight = 1, machines }) => [name, { weight, machines }]));
  const hosts = Array.from({ length: scenario.hosts.count }, () => new SimulatedHost(scenario, clock, quotas));
  const outcomes: Outcome[] = [];
  const random = new Random(scenario.seed ?? 1);
  for (const tenant of scenario.tenants) arrive(scenario, tenant, { clock, hosts, outcomes, random: new Random(random.next() * 2 ** 32) });
  while (clock.step(scenario.durationMs)) {
    // What was let in or refused is told by promises.
    await Promise.resolve();
    await Promise.resolve();
    signal?.throwIfAborted();
  }
  for (const host of hosts) host.admission.close();
  return reportOf(scenario, outcomes);
}

interface World {
  readonly clock: SimulatedClock;
  readonly hosts: readonly SimulatedHost[];
  readonly outcomes: Outcome[];
  readonly random: Random;
}

/** Lets a tenant ask for its starts, one after the other. */
function arrive(scenario: Scenario, tenant: TenantScenario, world: World): void {
  const moments = momentsOf(tenant, scenario.durationMs, world.random);
  const next = () => {
    const moment = moments.next();
    if (moment.done === true || world.outcomes.length >= STARTS_MAX) return;
    world.clock.at(moment.value, () => {
      ask(tenant, world);
      next();
    });
  };
  next();
}

function ask(tenant: TenantScenario, world: World): void {
  const { clock, outcomes, random } = world;
  const outcome: Outcome = { tenant: tenant.name, askedMs: clock.nowMs };
  outcomes.push(outcome);
  const host = leastLoaded(world);
  const request: AdmissionRequest = {
    id: `m${outcomes.length}`,
    tenant: tenant.name,
    priority: tenant.priority ?? "normal",
    imageDigest: tenant.name,
    isolation: "microvm",
    cpus: tenant.cpus ?? 1,
    memoryBytes: memoryOf(tenant),
    diskBytes: 0,
    ports: 0,
    licences: [],
    maxWaitMs: tenant.maxWaitMs ?? 0,
    queuedAtMs: clock.nowMs,
  };
  const refused = (error: unknown) => {
    if (!hasCode(error)) throw error;
    outcome.refusedBy = error.code;
  };
  try {
    host.admission.check(request);
  } catch (error) {
    refused(error);
    return;
  }
  const ran = runMs(tenant, random);
  host.admission.enter(request, NEVER).then((grant) => run(host, request, grant, ran, outcome, clock), refused);
}

const NEVER = new AbortController().signal;

function run(host: SimulatedHost, request: AdmissionRequest, grant: Grant, ranMs: number, outcome: Outcome, clock: SimulatedClock): void {
  outcome.grantedMs = clock.nowMs;
  const latencyMs = host.begin();
  clock.at(clock.nowMs + latencyMs, () => {
    outcome.runningMs = clock.nowMs;
    host.began();
    grant.done({ ok: true, latencyMs });
    clock.at(clock.nowMs + ranMs, () => {
      outcome.endedMs = clock.nowMs;
      host.end(request.id);
    });
  });
}

/** Of two hosts drawn at random the one with less (Mitzenmacher, "The Power of Two Choices"): what a scheduler does that cannot know all of them. */
function leastLoaded({ hosts, random }: World): SimulatedHost {
  const draw = () => hosts[Math.floor(random.next() * hosts.length)] as SimulatedHost;
  const [one, other] = [draw(), draw()];
  return one.load <= other.load ? one : other;
}
