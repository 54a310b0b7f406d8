import { open } from "node:fs/promises";
import { type AgentSession, decodeRecords } from "@isthmus/agent-client";
import { hasCode, IsthmusError, type PublishedPort } from "@isthmus/contract";
import type { BootKernel, StartPlan } from "@isthmus/core";
import { AgentLink } from "./agent-link.ts";
import { agentSocketPath, type BootVariant, commandLine, qmpSocketPath } from "./command-line.ts";
import { CLONE_DEADLINE_MS, QEMU_PROGRAM, START_DEADLINE_MS } from "./config.ts";
import type { EngineLog } from "./engine-log.ts";
import { clearLeftovers, type EngineState, saveState } from "./engine-state.ts";
import { configureGuest, startWorkload } from "./guest-setup.ts";
import { portTakenIn } from "./host-ports.ts";
import { Monitor } from "./monitor.ts";
import { QemuMachine } from "./qemu-machine.ts";
import type { StepTimer } from "./step-timer.ts";
import { restoreState } from "./template/restore.ts";
import { memoryPath, statePath } from "./template/files.ts";
import { spawnVmm, type VmmProcess, vmmWords } from "./vmm-process.ts";

export interface BootRequest {
  readonly plan: StartPlan;
  readonly kernel: BootKernel;
  readonly variant: BootVariant;
  /** folder of the template that the machine is cloned from; it boots when absent */
  readonly template?: string;
  readonly ports: readonly PublishedPort[];
  readonly notes: readonly string[];
  readonly tscKhz?: number;
  /** of the host */
  readonly bootId: string;
  readonly timer: StepTimer;
  readonly signal: AbortSignal;
  readonly log: EngineLog;
}

/** Why the VMM ended before its guest was up. */
async function earlyEnd(plan: StartPlan, status: string | undefined): Promise<IsthmusError> {
  const words = await vmmWords(plan.folder);
  const reason = words === "" ? `QEMU ended (${status ?? "status unknown"}); the guest's console is in the machine's folder` : words;
  return portTakenIn(words) ?? new IsthmusError("START_FAILED", { name: plan.name, reason });
}

/** `work`, unless the VMM ends first, the start is cancelled or takes too long. */
async function unlessItEnds<T>(request: BootRequest, vmm: VmmProcess, work: Promise<T>): Promise<T> {
  const { plan, signal } = request;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new IsthmusError("CANCELLED", { what: `the start of ${plan.name}` }));
  const timer = setTimeout(
    () => reject(new IsthmusError("START_TIMEOUT", { name: plan.name, limit: START_DEADLINE_MS })),
    START_DEADLINE_MS,
  );
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  void vmm.ended.then(async ({ status }) => reject(await earlyEnd(plan, status)));
  work.catch(() => {});
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** True when the output file holds a `start` record behind `offset`: a short workload may end before its reply came through. */
async function hasStarted(outputPath: string, offset: number): Promise<boolean> {
  const file = await open(outputPath, "r");
  try {
    const { buffer, bytesRead } = await file.read({ position: offset });
    return decodeRecords(buffer.subarray(0, bytesRead)).records.some(({ kind }) => kind === "start" || kind === "exit");
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    const file = await open(path, "r");
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  } catch {
    return 0;
  }
}

async function firstGreeting(link: AgentLink, timer: StepTimer): Promise<AgentSession> {
  return await link.boot(START_DEADLINE_MS, () => timer.mark("spawn"));
}

/** The guest goes on from the state that QEMU has open. Throws TEMPLATE_FAILED. */
async function restored(link: AgentLink, monitor: Monitor, timer: StepTimer): Promise<AgentSession> {
  try {
    await restoreState(monitor);
    timer.mark("restore");
    return await link.boot(CLONE_DEADLINE_MS);
  } catch (error) {
    throw asTemplateFailure(error);
  }
}

/** A clone that never greeted: it is the template's fault, not the machine's. */
function asTemplateFailure(error: unknown): unknown {
  if (!hasCode(error) || hasCode(error, "CANCELLED")) return error;
  return new IsthmusError("TEMPLATE_FAILED", { reason: IsthmusError.from(error).message }, { cause: error });
}

async function setUp(request: BootRequest, parts: { session: AgentSession; vmm: VmmProcess; monitor: Monitor }): Promise<void> {
  const { plan, timer } = request;
  const { session, vmm, monitor } = parts;
  await unlessItEnds(request, vmm, Promise.all([configureGuest(session, plan), monitor.dropConsole()]));
  timer.mark("configure");
  const outputOffset = await sizeOf(plan.outputPath);
  try {
    await unlessItEnds(request, vmm, startWorkload(session, plan));
  } catch (error) {
    const lost = hasCode(error, "AGENT_UNREACHABLE", "START_FAILED");
    if (!lost || !(await hasStarted(plan.outputPath, outputOffset))) throw error;
  }
  timer.mark("workload");
}

/**
 * Spawns a VMM and brings its guest to a running workload. Throws START_FAILED, START_TIMEOUT, PORT_TAKEN, ENGINE_MISSING, CANCELLED, or what the guest
 * refused; nothing of the start is left then but its logs.
 */
export async function bootMachine(request: BootRequest): Promise<QemuMachine> {
  const { plan, kernel, variant, ports, notes, timer, log } = request;
  const { template } = request;
  const source = template === undefined ? { boot: kernel } : { memoryFile: { path: memoryPath(template), shared: false } };
  const args = commandLine({ ...plan, ...source, ports, tscKhz: request.tscKhz }, variant);
  const state: EngineState = { phase: "spawning", bootId: request.bootId, accelerator: variant.accelerator, ports, notes, timings: {} };
  let vmm: VmmProcess | undefined;
  const link = new AgentLink(agentSocketPath(plan.socketFolder), plan.name);
  const monitor = new Monitor(qmpSocketPath(plan.socketFolder), () => vmm?.expectEnd());
  try {
    await clearLeftovers(plan.folder, plan.socketFolder);
    await saveState(plan.folder, state);
    vmm = await spawnVmm(QEMU_PROGRAM, args, plan.folder, template === undefined ? undefined : statePath(template));
    const booting: EngineState = { ...state, phase: "booting", pid: vmm.pid, startTime: vmm.startTime };
    await saveState(plan.folder, booting);
    const session = await unlessItEnds(request, vmm, template === undefined ? firstGreeting(link, timer) : restored(link, monitor, timer));
    timer.mark("greeting");
    await setUp(request, { session, vmm, monitor });
    const running: EngineState = { ...booting, phase: "running", timings: timer.steps };
    await saveState(plan.folder, running);
    return new QemuMachine({ plan, vmm, link, monitor, state: running, paused: false });
  } catch (error) {
    link.close();
    monitor.close();
    await vmm?.kill().catch((cause: unknown) => log("a failed start left its process", { machine: plan.id, cause: String(cause) }));
    await clearLeftovers(plan.folder, plan.socketFolder);
    throw error;
  }
}
