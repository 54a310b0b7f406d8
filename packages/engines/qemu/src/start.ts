import type { AgentSession } from "@isthmus/agent-client";
import { defaults, formatBytes, hasCode, IsthmusError, type PublishedPort } from "@isthmus/contract";
import type { BootKernel, MachineGroups, SavedParts, StartPlan } from "@isthmus/core";
import { keepMemoryBase, requireSaved } from "./capture/files.ts";
import { agentSocketPath, type BootVariant, commandLine, qmpSocketPath } from "./command-line.ts";
import { CLONE_DEADLINE_MS, QEMU_PROGRAM, START_DEADLINE_MS, STARTING_CPU_WEIGHT } from "./config.ts";
import type { EngineLog } from "./engine-log.ts";
import { clearLeftovers, type EngineState, saveState } from "./engine-state.ts";
import { AgentLink } from "./guest/agent-link.ts";
import { configureGuest, ensureWorkload } from "./guest/guest-setup.ts";
import { portTakenIn } from "./monitor/host-ports.ts";
import { Monitor } from "./monitor/monitor.ts";
import { throttleDisks } from "./monitor/throttle.ts";
import type { Spawner } from "./process/spawner.ts";
import { consoleWords, type VmmProcess, vmmWords } from "./process/vmm-process.ts";
import { QemuMachine } from "./qemu-machine.ts";
import { type Serving, serveShares } from "./shares.ts";
import type { StepTimer } from "./step-timer.ts";
import { memoryPath, statePath } from "./template/files.ts";
import { restoreState } from "./template/restore.ts";
import { unlessItEnds, type Watch } from "./watched.ts";

export interface BootRequest {
  readonly plan: StartPlan;
  readonly kernel: BootKernel;
  readonly variant: BootVariant;
  /** folder of the template that the machine is cloned from; it boots when absent */
  readonly template?: string;
  readonly ports: readonly PublishedPort[];
  readonly notes: readonly string[];
  readonly parts: SavedParts;
  readonly tscKhz?: number;
  /** of the host */
  readonly bootId: string;
  readonly timer: StepTimer;
  readonly spawner: Spawner;
  readonly groups?: MachineGroups;
  /** beside it lies the program that serves folders of the host */
  readonly agentPath?: string;
  readonly signal: AbortSignal;
  readonly log: EngineLog;
}

/** Why the VMM ended before its guest was up. */
async function earlyEnd(plan: StartPlan, status: string | undefined): Promise<IsthmusError> {
  const words = await vmmWords(plan.folder);
  const reason = words === "" ? await guestEnded(plan, status) : words;
  return portTakenIn(words) ?? new IsthmusError("START_FAILED", { name: plan.name, reason });
}

/** QEMU had nothing to complain of: its guest turned itself off. A kernel that finds no room for itself does so without a word. */
async function guestEnded({ folder, memoryBytes }: StartPlan, status = "status unknown"): Promise<string> {
  const words = await consoleWords(folder);
  const last = words === "" ? "without a word on its console" : `with these last words on its console: ${words}`;
  const memory = memoryBytes < defaults.memoryBytes ? `; ${formatBytes(memoryBytes)} of memory may be too little for its kernel` : "";
  return `its guest ended before it answered (QEMU: ${status}), ${last}${memory}`;
}

/** What ends the wait for a guest of `plan`. */
export function watchOf(plan: StartPlan, vmm: VmmProcess, signal: AbortSignal): Watch {
  return {
    vmm,
    signal,
    what: `the start of ${plan.name}`,
    early: (status) => earlyEnd(plan, status),
    limit: { ms: START_DEADLINE_MS, late: () => new IsthmusError("START_TIMEOUT", { name: plan.name, limit: START_DEADLINE_MS }) },
  };
}

/** The guest goes on from the state that QEMU has open. Throws TEMPLATE_FAILED. */
async function restored(link: AgentLink, monitor: Monitor, timer: StepTimer): Promise<AgentSession> {
  await restoreState(monitor);
  timer.mark("restore");
  return await link.boot(CLONE_DEADLINE_MS);
}

/** A clone that never greeted: that is its template's fault. A port that is taken is not. */
export function asTemplateFailure(error: unknown): unknown {
  if (hasCode(error, "CANCELLED", "PORT_TAKEN", "ENGINE_MISSING")) return error;
  return new IsthmusError("TEMPLATE_FAILED", { reason: IsthmusError.from(error).message }, { cause: error });
}

/** A VMM that was spawned, until its guest is up. */
export interface Spawned {
  readonly vmm: VmmProcess;
  readonly link: AgentLink;
  readonly monitor: Monitor;
  readonly watch: Watch;
  /** Writes down what a later daemon must know. */
  readonly note: (change: Partial<EngineState>) => Promise<void>;
}

export interface SpawnRequest {
  readonly plan: StartPlan;
  readonly args: readonly string[];
  /** of a saved guest that goes on: its devices' state, and the file that its memory is mapped from */
  readonly saved?: { readonly statePath: string; readonly memoryPath: string };
  readonly agentPath?: string;
  /** without its process */
  readonly state: EngineState;
  readonly timer: StepTimer;
  readonly spawner: Spawner;
  readonly groups?: MachineGroups;
  readonly signal: AbortSignal;
  readonly log: EngineLog;
}

/** Spawns a VMM and has `bring` see to its guest. When that fails nothing of the start is left but its logs. Throws ENGINE_MISSING and what `bring` throws. */
export async function spawnMachine(request: SpawnRequest, bring: (spawned: Spawned) => Promise<void>): Promise<QemuMachine> {
  const { plan, args, saved, state, timer, spawner, groups, signal, log, agentPath } = request;
  let vmm: VmmProcess | undefined;
  let serving: Serving | undefined;
  const link = new AgentLink(agentSocketPath(plan.socketFolder), plan.name);
  const monitor = new Monitor(qmpSocketPath(plan.socketFolder), () => vmm?.expectEnd());
  try {
    await clearLeftovers(plan.folder, plan.socketFolder);
    await saveState(plan.folder, state);
    if (saved !== undefined) keepMemoryBase(plan.folder, saved.memoryPath);
    if (plan.shares.length > 0) serving = await serveShares(plan, agentPath);
    const { folder, network, nic } = plan;
    vmm = await spawner.spawn({ words: [QEMU_PROGRAM, ...args], folder, network, nic, statePath: saved?.statePath });
    const resources = plan.resources ?? {};
    let present: EngineState = { ...state, notes: [...state.notes, ...(groups?.limit(vmm.pid, resources) ?? [])] };
    const weight = Math.min(STARTING_CPU_WEIGHT, resources.cpuWeight ?? STARTING_CPU_WEIGHT);
    groups?.weigh(vmm.pid, { ...resources, cpuWeight: weight });
    let noted = Promise.resolve();
    const note = (change: Partial<EngineState>) => {
      present = { ...present, ...change };
      const next = present;
      noted = noted.then(() => saveState(plan.folder, next));
      return noted;
    };
    await Promise.all([
      note({ phase: "booting", pid: vmm.pid, startTime: vmm.startTime }),
      bring({ vmm, link, monitor, watch: watchOf(plan, vmm, signal), note }),
    ]);
    groups?.weigh(vmm.pid, resources);
    await note({ phase: "running", timings: timer.steps, restoring: undefined });
    serving?.release();
    return new QemuMachine({ plan, vmm, link, monitor, state: present, paused: false, groups });
  } catch (error) {
    link.close();
    monitor.close();
    await vmm?.kill().catch((cause: unknown) => log("a failed start left its process", { machine: plan.id, cause: String(cause) }));
    serving?.end();
    await clearLeftovers(plan.folder, plan.socketFolder);
    throw error;
  }
}

/**
 * Spawns a VMM and brings its guest to a running workload. Throws START_FAILED, START_TIMEOUT, PORT_TAKEN, ENGINE_MISSING, CANCELLED, TEMPLATE_FAILED, or
 * what the guest refused; nothing of the start is left then but its logs.
 */
export async function bootMachine(request: BootRequest): Promise<QemuMachine> {
  const { plan, kernel, variant, template, ports, notes, timer, tscKhz, spawner, groups, signal, log, bootId, agentPath } = request;
  const source = template === undefined ? { boot: kernel } : { memoryFile: { path: memoryPath(template), shared: false } };
  const args = commandLine({ ...plan, ...source, ports, tscKhz }, variant);
  const { accelerator } = variant;
  const state: EngineState = { phase: "spawning", bootId, accelerator, ports, notes, timings: {}, parts: request.parts };
  if (template !== undefined)
    await requireSaved(template).catch((error: unknown) => {
      throw asTemplateFailure(error);
    });
  const saved = template === undefined ? undefined : { statePath: statePath(template), memoryPath: memoryPath(template) };
  return await spawnMachine(
    { plan, args, saved, state, timer, spawner, groups, signal, log, agentPath },
    async ({ link, monitor, watch }) => {
      const greeting = template === undefined ? link.boot(START_DEADLINE_MS, () => timer.mark("spawn")) : restored(link, monitor, timer);
      const session = await unlessItEnds(watch, greeting).catch((error: unknown) => {
        throw template === undefined ? error : asTemplateFailure(error);
      });
      timer.mark("greeting");
      const quiet = template === undefined ? monitor.dropConsole() : undefined;
      await unlessItEnds(watch, Promise.all([configureGuest(session, plan), quiet, throttleDisks(monitor, plan, variant.machineType)]));
      timer.mark("configure");
      await ensureWorkload(session, plan, watch);
      timer.mark("workload");
    },
  );
}
