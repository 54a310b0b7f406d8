import { basename, dirname } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { MachineGroups, StartPlan } from "@isthmus/core";
import { goOn } from "./capture/capture.ts";
import { DiskCopy } from "./capture/disk-copy.ts";
import { renew } from "./capture/restore.ts";
import { agentSocketPath, qmpSocketPath } from "./command-line.ts";
import { START_DEADLINE_MS } from "./config.ts";
import type { EngineLog } from "./engine-log.ts";
import { clearLeftovers, type EngineState, loadState, saveState } from "./engine-state.ts";
import { AgentLink } from "./guest/agent-link.ts";
import { configureGuest, startWorkload } from "./guest/guest-setup.ts";
import { Monitor } from "./monitor/monitor.ts";
import { processStatus, vmmsIn, worksIn } from "./process/proc.ts";
import { VmmProcess } from "./process/vmm-process.ts";
import { QemuMachine } from "./qemu-machine.ts";

/** The process that `state` tells of, if it still runs and is the same. */
async function findProcess(folder: string, state: EngineState, bootId: string): Promise<{ pid: number; startTime: string } | undefined> {
  if (state.bootId !== bootId) return undefined;
  // A daemon killed between spawn and note left a process without a noted pid.
  const pid = state.pid ?? (await vmmsIn(dirname(folder))).find(({ name }) => name === basename(folder))?.pid;
  const startTime = pid === undefined ? undefined : processStatus(pid)?.startTime;
  if (pid === undefined || startTime === undefined || (state.startTime !== undefined && state.startTime !== startTime)) return undefined;
  return (await worksIn(pid, folder)) ? { pid, startTime } : undefined;
}

/** Does what a start that was cut short had still to do; ends the machine when that cannot be done. */
async function finishStart(parts: {
  plan: StartPlan;
  state: EngineState;
  link: AgentLink;
  monitor: Monitor;
  vmm: VmmProcess;
  before?: () => Promise<void>;
}): Promise<void> {
  const { plan, state, link, monitor, vmm, before } = parts;
  try {
    await before?.();
    // A prepared clone is stopped until its start, a saved guest until all is ready.
    if (await monitor.paused()) await monitor.execute("cont");
    if (state.restoring !== undefined) await renew(link, plan, state.restoring === "clone");
    const session = await link.session(START_DEADLINE_MS);
    if (session.greeting.state === "idle") {
      // What of its mounts was done is not known, and a device in use cannot be looked at anew: the start begins again.
      if (plan.volumes.length + plan.shares.length > 0) throw new IsthmusError("CANCELLED", { what: `the start of ${plan.name}` });
      await Promise.all([configureGuest(session, plan), monitor.dropConsole()]);
      await startWorkload(session, plan);
    }
    await saveState(plan.folder, { ...state, phase: "running", restoring: undefined, pid: vmm.pid, startTime: vmm.startTime });
  } catch (error) {
    // When the daemon lets go meanwhile, the next one finishes the start.
    if (!link.closed) await vmm.kill();
    throw error;
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | "late"> {
  const { promise, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

interface Adopted {
  readonly plan: StartPlan;
  readonly state: EngineState;
  readonly vmm: VmmProcess;
  readonly link: AgentLink;
  readonly monitor: Monitor;
  readonly budgetMs: number;
  readonly before?: () => Promise<void>;
}

/** Asks VMM and guest for `budgetMs` at most; what did not answer becomes a note and is asked again when somebody needs it. */
async function takeUp(adopted: Adopted, log: EngineLog): Promise<{ paused: boolean; notes: readonly string[] }> {
  const { plan, state, vmm, link, monitor, budgetMs } = adopted;
  const giveUpAt = performance.now() + budgetMs;
  const late = (error: unknown): "late" => {
    log("a machine was taken up that does not answer", { machine: plan.id, error: IsthmusError.from(error).toBody() });
    return "late";
  };
  const running = state.phase === "running";
  const finished = running ? undefined : finishStart(adopted).catch(late);
  if (state.capturing === true) await within(budgetMs, endCapture(adopted).catch(late));
  const paused = await within(budgetMs, Promise.race([vmm.ended, monitor.paused(budgetMs).catch(late)]));
  if (paused === "late") return { paused: false, notes: ["its engine process did not answer when the daemon started"] };
  if (paused === true && running) {
    link.keep();
    return { paused: true, notes: [] };
  }
  const leftMs = Math.max(1, giveUpAt - performance.now());
  const answered = await within(leftMs, Promise.race([vmm.ended, finished ?? link.session(leftMs).catch(late)]));
  if (running) link.keep();
  if (answered !== "late") return { paused: false, notes: [] };
  return {
    paused: false,
    notes: [running ? "its guest did not answer when the daemon started" : "its start is finished in the background"],
  };
}

/** Its daemon died while it was saved: what was saved is worth nothing, and it goes on. */
async function endCapture({ plan, state, link, monitor }: Adopted): Promise<void> {
  await DiskCopy.clear(monitor);
  await goOn({ link, monitor });
  await saveState(plan.folder, { ...state, capturing: undefined });
}

/** A clone whose daemon died before its template's state was loaded holds nothing worth keeping. One that does not say so is treated as any other. */
async function restoreWasCutShort(monitor: Monitor, budgetMs: number): Promise<boolean> {
  return await monitor.unrestored(budgetMs).catch(() => false);
}

export interface AdoptRequest {
  readonly plan: StartPlan;
  /** of the host */
  readonly bootId: string;
  /** how long it is waited for an answer */
  readonly budgetMs: number;
  /** called before a guest that has not yet gone on does so */
  readonly before?: () => Promise<void>;
  readonly groups?: MachineGroups;
  readonly signal: AbortSignal;
  readonly log: EngineLog;
}

/** Takes up the machine in `plan.folder`; undefined when its process is gone. Takes about `budgetMs` at most. Throws CANCELLED. */
export async function adoptMachine(request: AdoptRequest): Promise<QemuMachine | undefined> {
  const { plan, bootId, budgetMs, before, groups, signal, log } = request;
  if (signal.aborted) throw new IsthmusError("CANCELLED", { what: `taking up ${plan.name}` });
  const state = await loadState(plan.folder);
  const found = state === undefined ? undefined : await findProcess(plan.folder, state, bootId);
  if (state === undefined || found === undefined) {
    await clearLeftovers(plan.folder, plan.socketFolder);
    return undefined;
  }
  const vmm = VmmProcess.adopted(found.pid, found.startTime);
  // Weights that the earlier daemon lowered are the machine's own again.
  groups?.limit(vmm.pid, plan.resources ?? {});
  void vmm.ended.then(() => groups?.leave(vmm.pid));
  const link = new AgentLink(agentSocketPath(plan.socketFolder), plan.name);
  const monitor = new Monitor(qmpSocketPath(plan.socketFolder), () => vmm.expectEnd());
  if (state.phase !== "running" && (await restoreWasCutShort(monitor, budgetMs))) await vmm.kill();
  const taken = vmm.over ? undefined : await takeUp({ plan, state, vmm, link, monitor, budgetMs, before }, log);
  vmm.look();
  if (taken === undefined || vmm.over) {
    link.close();
    monitor.close();
    await clearLeftovers(plan.folder, plan.socketFolder);
    return undefined;
  }
  const notes = [...new Set([...state.notes, ...taken.notes])];
  return new QemuMachine({ plan, vmm, link, monitor, state: { ...state, notes, capturing: undefined }, paused: taken.paused, groups });
}
