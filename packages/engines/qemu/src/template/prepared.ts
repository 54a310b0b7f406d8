import type { AgentSession } from "@isthmus/agent-client";
import { hasCode, IsthmusError } from "@isthmus/contract";
import type { GuestShape, LiveMachine, MachineGroups, PreparedClone, PreparedPlace, SavedParts, StartPlan } from "@isthmus/core";
import { keepMemoryBase } from "../capture/files.ts";
import { agentSocketPath, type BootVariant, commandLine, qmpSocketPath } from "../command-line.ts";
import { CLONE_DEADLINE_MS, CONFIGURE_DEADLINE_MS, FORK_GREETING_MS, QEMU_PROGRAM, STARTING_CPU_WEIGHT } from "../config.ts";
import { type EngineState, saveState } from "../engine-state.ts";
import { AgentLink } from "../guest/agent-link.ts";
import { configureGuest, ensureWorkload } from "../guest/guest-setup.ts";
import { Monitor } from "../monitor/monitor.ts";
import { portsOf, publish } from "../monitor/publish.ts";
import { throttleDisks } from "../monitor/throttle.ts";
import type { Spawner } from "../process/spawner.ts";
import type { VmmProcess } from "../process/vmm-process.ts";
import { QemuMachine } from "../qemu-machine.ts";
import { asTemplateFailure, watchOf } from "../start.ts";
import { StepTimer } from "../step-timer.ts";
import { unlessItEnds } from "../watched.ts";
import { memoryPath, statePath } from "./files.ts";
import { rehearse } from "./rehearsal.ts";
import { restoreState } from "./restore.ts";

export interface PrepareRequest {
  readonly shape: GuestShape;
  /** folder */
  readonly template: string;
  readonly place: PreparedPlace;
  readonly variant: BootVariant;
  readonly parts: SavedParts;
  /** of the host */
  readonly bootId: string;
  readonly spawner: Spawner;
  readonly groups?: MachineGroups;
  readonly signal: AbortSignal;
}

/** What it is a clone of. */
type Of = Pick<PrepareRequest, "shape" | "bootId" | "variant" | "parts" | "template" | "groups">;

export interface CloneParts {
  readonly vmm: VmmProcess;
  readonly link: AgentLink;
  readonly monitor: Monitor;
}

/** A clone that greeted, did its first work, and is stopped: it costs no processor time. Throws TEMPLATE_FAILED, CANCELLED, ENGINE_MISSING. */
export async function prepareClone(request: PrepareRequest): Promise<PreparedClone> {
  const { shape, template, place, variant, spawner, groups, signal } = request;
  const memoryFile = { path: memoryPath(template), shared: false };
  const args = commandLine({ ...shape, ...place, name: "prepared", memoryFile, ports: [] }, variant);
  const vmm = await spawner.spawn({
    words: [QEMU_PROGRAM, ...args],
    folder: place.folder,
    network: shape.network,
    statePath: statePath(template),
  });
  groups?.weigh(vmm.pid, { cpuWeight: STARTING_CPU_WEIGHT });
  const link = new AgentLink(agentSocketPath(place.socketFolder), "a prepared clone");
  const monitor = new Monitor(qmpSocketPath(place.socketFolder), () => vmm.expectEnd());
  try {
    await unlessItEnds({ vmm, signal, what: "preparing a clone", early: endedEarly }, wakeOnce(request, link, monitor));
    return new Prepared(request, { vmm, link, monitor });
  } catch (error) {
    link.close();
    monitor.close();
    await vmm.kill();
    throw asTemplateFailure(error);
  }
}

export async function endedEarly(): Promise<IsthmusError> {
  return new IsthmusError("TEMPLATE_FAILED", { reason: "its process ended" });
}

/** What a clone does first is slow, because the emulator translates code as it meets it: it is done once, ahead. */
async function wakeOnce({ shape }: PrepareRequest, link: AgentLink, monitor: Monitor): Promise<void> {
  await restoreState(monitor);
  await rehearse(await link.boot(CLONE_DEADLINE_MS), shape.network);
  await monitor.execute("stop");
}

/** A process with the state of a template, whose guest stands still. */
export class Prepared implements PreparedClone {
  readonly ended: Promise<unknown>;
  readonly #request: Of;
  readonly #parts: CloneParts;
  #session: Promise<AgentSession> | undefined;

  constructor(request: Of, parts: CloneParts) {
    this.#request = request;
    this.#parts = parts;
    this.ended = parts.vmm.ended;
  }

  /** What a fork writes to it gets of its own, a page at a time, at which a start is not to wait: it practises once more, and stops again. Throws TEMPLATE_FAILED, CANCELLED. */
  async practise(signal: AbortSignal): Promise<void> {
    const { vmm, link, monitor } = this.#parts;
    const practised = async () => {
      await rehearse(await awake(link, monitor), this.#request.shape.network);
      await monitor.execute("stop");
    };
    try {
      await unlessItEnds({ vmm, signal, what: "preparing a clone", early: endedEarly }, practised());
    } catch (error) {
      await this.end();
      throw asTemplateFailure(error);
    }
  }

  wake(plan: StartPlan): void {
    const { link, monitor } = this.#parts;
    link.moved(agentSocketPath(plan.socketFolder), plan.name);
    monitor.moved(qmpSocketPath(plan.socketFolder));
    this.#session = identified(link, monitor, plan);
    this.#session.catch(() => undefined);
  }

  async start(plan: StartPlan, signal: AbortSignal): Promise<LiveMachine> {
    const { vmm, link, monitor } = this.#parts;
    const { bootId, variant, parts, template, groups } = this.#request;
    const timer = new StepTimer();
    const watch = watchOf(plan, vmm, signal);
    if (this.#session === undefined) this.wake(plan);
    try {
      keepMemoryBase(plan.folder, memoryPath(template));
      const ports = await publish(monitor, portsOf(plan));
      const process = { pid: vmm.pid, startTime: vmm.startTime };
      const state: EngineState = {
        phase: "booting",
        bootId,
        ...process,
        accelerator: variant.accelerator,
        ports,
        notes: groups?.limit(vmm.pid, plan.resources ?? {}) ?? [],
        timings: {},
        parts,
      };
      await saveState(plan.folder, state);
      await throttleDisks(monitor, plan, variant.machineType);
      timer.mark("claim");
      const session = await unlessItEnds(watch, this.#session ?? link.session()).catch((error: unknown) => {
        throw hasCode(error, "START_FAILED", "AGENT_UNREACHABLE") ? asTemplateFailure(error) : error;
      });
      timer.mark("configure");
      await ensureWorkload(session, plan, watch);
      timer.mark("workload");
      const running: EngineState = { ...state, phase: "running", timings: timer.steps };
      await saveState(plan.folder, running);
      return new QemuMachine({ plan, vmm, link, monitor, state: running, paused: false, groups });
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    const { vmm, link, monitor } = this.#parts;
    link.close();
    monitor.close();
    await vmm.kill();
  }
}

async function identified(link: AgentLink, monitor: Monitor, plan: StartPlan): Promise<AgentSession> {
  const session = await awake(link, monitor).catch((error: unknown) => {
    throw asTemplateFailure(error);
  });
  await configureGuest(session, plan);
  return session;
}

/** One that has not been connected to yet is connected to meanwhile. */
async function awake(link: AgentLink, monitor: Monitor): Promise<AgentSession> {
  const [session] = await Promise.all([link.session(CONFIGURE_DEADLINE_MS, FORK_GREETING_MS), monitor.execute("cont")]);
  return session;
}
