import { GIB, IsthmusError } from "@isthmus/contract";
import {
  Admission,
  type AdmissionFacts,
  type AdmissionPort,
  type AdmissionRequest,
  type Held,
  type Quota,
  refusalOf,
  type Shortage,
} from "@isthmus/core";
import type { SimulatedClock } from "./clock.ts";
import type { Scenario } from "./scenario.ts";

/** One host: its machines, and how long a start takes on it. The decisions are admission's own. */
export class SimulatedHost implements AdmissionPort {
  readonly admission: Admission;
  readonly machines = new Map<string, Held>();
  readonly #scenario: Scenario;
  readonly #clock: SimulatedClock;
  readonly #quotas: ReadonlyMap<string, Quota>;
  #starting = 0;

  constructor(scenario: Scenario, clock: SimulatedClock, quotas: ReadonlyMap<string, Quota>) {
    this.#scenario = scenario;
    this.#clock = clock;
    this.#quotas = quotas;
    this.admission = new Admission(this, scenario.limits ?? {});
  }

  /** machines, and starts that wait */
  get load(): number {
    return this.machines.size + this.admission.waiting;
  }

  /**
   * A start begins: how long it takes, ms, with as many others under way as there are now. Processors are shared; each start per processor beyond one
   * makes all of them dearer by `thrash`: caches and memory are shared as well.
   */
  begin(): number {
    this.#starting += 1;
    const { cpus, startCpuMs, startWaitMs = 0, thrash = 0.05 } = this.#scenario.hosts;
    const perCpu = this.#starting / cpus;
    const crowd = Math.max(0, perCpu - 1);
    return startWaitMs + startCpuMs * Math.max(1, perCpu) * (1 + thrash * crowd);
  }

  began(): void {
    this.#starting -= 1;
  }

  end(id: string): void {
    this.machines.delete(id);
    this.admission.changed();
  }

  held(): Iterable<Held> {
    return this.machines.values();
  }

  facts(): AdmissionFacts {
    const { cpus, memoryGib } = this.#scenario.hosts;
    const total = memoryGib * GIB;
    const busy = Math.min(1, this.#starting / cpus);
    const waiting = this.#starting > cpus ? 100 * (1 - cpus / this.#starting) : 0;
    const pressure = { cpu: { some10: Math.min(90, waiting * busy) }, memory: { some10: 0, full10: 0 } };
    return { cpus, memoryTotalBytes: total, memoryAvailableBytes: total, diskFreeBytes: Number.MAX_SAFE_INTEGER, pressure };
  }

  quota(tenant: string): Quota {
    return this.#quotas.get(tenant) ?? { weight: 1 };
  }

  seats(): { readonly seats: [] } {
    return { seats: [] };
  }

  refusal(_request: AdmissionRequest, shortage: Shortage): IsthmusError {
    return refusalOf(shortage);
  }

  grant(request: AdmissionRequest): void {
    if (this.machines.has(request.id)) throw new IsthmusError("INTERNAL", { reason: `${request.id} was let in twice` });
    this.machines.set(request.id, { ...request, seats: [] });
  }

  now(): number {
    return this.#clock.nowMs;
  }

  after(ms: number, action: () => void): () => void {
    return this.#clock.at(this.#clock.nowMs + ms, action);
  }
}
