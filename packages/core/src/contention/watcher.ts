import type { HostPressure, MachineUse, Measure } from "@isthmus/contract";
import type { HostGauge } from "../host/ports.ts";
import type { Clock, Log } from "../machine/ports.ts";
import type { ContentionActions } from "./actions.ts";
import { IDLE_CPU_PART, IDLE_MS, LOOK_MS, LOWERED_PART, RECLAIM_PART, SWEEP_MS, WEIGHT_DEFAULT } from "./config.ts";
import type { PolicyMachine } from "./look.ts";
import { Contention, type Step } from "./policy.ts";
import type { ContendingMachine, MachineGroups, MachineMeter, Weights } from "./ports.ts";

export interface WatcherParts {
  readonly gauge: HostGauge;
  readonly meter: MachineMeter;
  readonly groups: MachineGroups;
  readonly actions: ContentionActions;
  readonly clock: Clock;
  readonly log: Log;
  /** false: the host is measured when it is asked for, and nothing is done */
  readonly enabled: boolean;
}

/** Looks at the host from time to time and does what the policy says. */
export class ContentionWatcher {
  readonly #parts: WatcherParts;
  readonly #idleSince = new Map<string, number>();
  #policy = new Contention();
  #uses: readonly MachineUse[] = [];
  #charged: ReadonlyMap<string, number> = new Map();
  #lastSweepMs = 0;
  #cancel: (() => void) | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
  }

  /** To be called once, when the machines of an earlier daemon are taken up. */
  start(): void {
    const { actions, enabled, clock } = this.#parts;
    if (!enabled || this.#closed) return;
    this.#policy = new Contention(actions.yielded());
    const again = () => {
      if (this.#closed) return;
      this.#cancel = clock.after(LOOK_MS, () => {
        this.#looking = this.look()
          .catch((error: unknown) => this.#parts.log.warn({ err: error }, "the host could not be looked at"))
          .finally(again);
      });
    };
    again();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#looking;
    // Of a process that has just ended the kernel may hold the group yet, and nobody tries again once this daemon is gone.
    await this.#parts.groups.settled();
  }

  /** Memory that a machine was charged for when it was last looked at, bytes; undefined when it was not yet, or where shared pages would count twice. */
  memoryBytes(id: string): number | undefined {
    return this.#charged.get(id);
  }

  get measures(): readonly Measure[] {
    return [...this.#policy.measures];
  }

  /** Machines are those of the last look; without looks they are measured now, and rates are since the report before. */
  async report(): Promise<HostPressure> {
    const { gauge, enabled } = this.#parts;
    if (!enabled) await this.#measure();
    const machines = [...this.#uses].sort((a, b) => b.cpuPart - a.cpuPart || b.memoryBytes - a.memoryBytes);
    return { facts: gauge.facts(), pressed: [...this.#policy.pressed], measures: [...this.#policy.measures], watching: enabled, machines };
  }

  /** One look, and what follows from it. */
  async look(): Promise<void> {
    const { actions, clock, gauge, groups } = this.#parts;
    const machines = await this.#measure();
    const atMs = clock.now();
    if (atMs - this.#lastSweepMs >= SWEEP_MS) {
      groups.sweep();
      this.#lastSweepMs = atMs;
    }
    const before = this.#policy.pressed.join(" ");
    const facts = gauge.facts();
    const { steps, noisy } = this.#policy.look({ atMs, facts, machines });
    const pressed = [...this.#policy.pressed];
    if (pressed.join(" ") !== before) actions.note({ type: "host.pressure", details: { pressed, pressure: facts.pressure } });
    for (const { id, name, ...details } of noisy) actions.note({ type: "host.noisy-neighbour", machineId: id, machineName: name, details });
    for (const step of steps) await this.#perform(step, machines);
  }

  async #measure(): Promise<readonly PolicyMachine[]> {
    const { actions, clock, meter } = this.#parts;
    const machines = new Map(actions.machines().map((machine) => [machine.id, machine]));
    this.#uses = await meter.measure([...machines.values()]);
    const charged = this.#uses.filter(({ memorySource }) => memorySource === "cgroup");
    this.#charged = new Map(charged.map(({ id, memoryBytes }) => [id, memoryBytes]));
    const now = clock.now();
    for (const id of this.#idleSince.keys()) if (!machines.has(id)) this.#idleSince.delete(id);
    return this.#uses.flatMap((use) => {
      const machine = machines.get(use.id);
      return machine === undefined ? [] : [{ ...machine, use, idle: this.#isIdle(machine, use, now) }];
    });
  }

  #isIdle({ id, sessions }: ContendingMachine, { cpuPart }: MachineUse, now: number): boolean {
    if (sessions > 0 || cpuPart >= IDLE_CPU_PART) this.#idleSince.delete(id);
    else if (!this.#idleSince.has(id)) this.#idleSince.set(id, now);
    return now - (this.#idleSince.get(id) ?? now) >= IDLE_MS;
  }

  async #perform(step: Step, machines: readonly PolicyMachine[]): Promise<void> {
    const { actions, log } = this.#parts;
    const { measure, take, reason, targets } = step;
    const names = targets.map((id) => machines.find((one) => one.id === id)?.name ?? id);
    const details = { measure, reason, ...(names.length > 0 ? { machines: names } : {}) };
    try {
      const outcome = await this.#done(step, machines);
      actions.note({ type: take ? "host.measure-taken" : "host.measure-undone", details: { ...details, ...outcome } });
    } catch (error) {
      log.warn({ ...details, take, err: error }, "a measure against pressure failed");
      actions.note({
        type: "host.measure-failed",
        details: { ...details, take, error: error instanceof Error ? error.message : String(error) },
      });
    }
  }

  /** Returns what else is to be told of it. */
  async #done({ measure, take, reason, targets }: Step, machines: readonly PolicyMachine[]): Promise<Readonly<Record<string, unknown>>> {
    const { actions, groups } = this.#parts;
    const touched = machines.filter(({ id }) => targets.includes(id));
    if (measure === "pools") await actions.holdPools(take);
    if (measure === "refuse") actions.refuse(take ? reason : undefined);
    if (measure === "weights") for (const { pid, resources } of touched) groups.weigh(pid, take ? lowered(resources) : resources);
    if (measure === "suspend") for (const id of targets) await (take ? actions.suspend(id) : actions.resume(id));
    if (measure === "evict" && take) for (const id of targets) await actions.evict(id);
    if (measure !== "reclaim" || !take) return {};
    let reclaimedBytes = 0;
    for (const { pid, use } of touched) reclaimedBytes += await groups.reclaim(pid, Math.round(use.memoryBytes * RECLAIM_PART));
    return { reclaimedBytes };
  }
}

function lowered({ cpuWeight = WEIGHT_DEFAULT, ioWeight = WEIGHT_DEFAULT }: Weights): Weights {
  const part = (weight: number) => Math.max(1, Math.round(weight * LOWERED_PART));
  return { cpuWeight: part(cpuWeight), ioWeight: part(ioWeight) };
}
