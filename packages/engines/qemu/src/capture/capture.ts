import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import type { CaptureFacts, CapturePlan, StartPlan } from "@isthmus/core";
import { FREEZE_DEADLINE_MS, SUSPEND_SETTLE_MS } from "../config.ts";
import { type EngineState, saveState } from "../engine-state.ts";
import type { AgentLink } from "../guest/agent-link.ts";
import type { Monitor } from "../monitor/monitor.ts";
import { memoryPath, statePath } from "../template/files.ts";
import { saveDevices, synced } from "./devices.ts";
import { DiskCopy } from "./disk-copy.ts";
import { copyMemoryBase, savedBytes, savedDiskPath } from "./files.ts";
import { copyPrivatePages } from "./guest-memory.ts";

/** A machine that is to be saved. */
export interface Captured {
  readonly plan: StartPlan;
  readonly state: EngineState;
  readonly pid: number;
  readonly link: AgentLink;
  readonly monitor: Monitor;
}

/**
 * Saves a guest: what its memory was mapped from is copied while it runs, and only what it wrote since while it stands still. Throws CAPTURE_FAILED, DISK_FULL, CANCELLED;
 * the guest goes on then.
 */
export async function capture(machine: Captured, wanted: CapturePlan, signal: AbortSignal): Promise<CaptureFacts> {
  const { plan } = machine;
  try {
    await copyMemoryBase(plan.folder, memoryPath(wanted.folder));
    if (signal.aborted) throw new IsthmusError("CANCELLED", { what: `saving ${plan.name}` }, { cause: signal.reason });
    const pausedMs = wanted.goOn ? await captureAndGoOn(machine, wanted.folder, signal) : await captureAndStop(machine, wanted.folder);
    const { parts, accelerator } = machine.state;
    return { parts, accelerator, sizeBytes: await savedBytes(wanted.folder), pausedMs };
  } catch (error) {
    throw asCaptureFailure(plan, error);
  }
}

function asCaptureFailure(plan: StartPlan, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "DISK_FULL" || code === "CANCELLED") return error;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new IsthmusError("DISK_FULL", { what: `saving machine ${plan.name}` }, { cause: error });
  const reason =
    code === "EACCES" || code === "EPERM"
      ? "this user may not read the memory of its engine process (see kernel.yama.ptrace_scope)"
      : IsthmusError.from(error).message;
  return new IsthmusError("CAPTURE_FAILED", { name: plan.name, reason }, { cause: error });
}

/** The host lets go of the guest first: a guest that goes on must not think that it is still there. */
async function captureAndStop(machine: Captured, folder: string): Promise<number> {
  const { link, monitor } = machine;
  await saveState(machine.plan.folder, { ...machine.state, capturing: true });
  link.drop();
  await sleep(SUSPEND_SETTLE_MS);
  const began = performance.now();
  await monitor.execute("stop");
  try {
    await saveStopped(machine, folder);
    await synced(memoryPath(folder));
    await synced(statePath(folder));
    return Math.round(performance.now() - began);
  } catch (error) {
    await monitor.execute("cont");
    link.keep();
    await saveState(machine.plan.folder, machine.state);
    throw error;
  }
}

async function captureAndGoOn(machine: Captured, folder: string, signal: AbortSignal): Promise<number> {
  const { plan, state, monitor, link } = machine;
  const session = await link.session();
  const disk = plan.diskPath === undefined ? undefined : await DiskCopy.prepare(monitor, savedDiskPath(folder), plan.diskBytes ?? 0);
  await saveState(plan.folder, { ...state, capturing: true });
  const began = performance.now();
  try {
    // Frozen in the snapshot, its processes go on in each clone only after that has an identity of its own.
    await session.request("freeze", {}, { deadlineMs: FREEZE_DEADLINE_MS });
    await monitor.execute("stop");
    await saveStopped(machine, folder);
    await disk?.begin();
  } catch (error) {
    if (disk !== undefined) await DiskCopy.clear(monitor).catch(() => {});
    throw error;
  } finally {
    await goOn(machine);
  }
  const pausedMs = Math.round((performance.now() - began) * 10) / 10;
  await saveState(plan.folder, state);
  await finishDisk(machine, disk, signal);
  await synced(memoryPath(folder));
  await synced(statePath(folder));
  return pausedMs;
}

/** Also what a later daemon does for a machine whose daemon died while it was captured. */
export async function goOn({ link, monitor }: Pick<Captured, "link" | "monitor">): Promise<void> {
  await monitor.execute("cont");
  const session = await link.session();
  await session.request("thaw", {}, { deadlineMs: FREEZE_DEADLINE_MS });
}

async function finishDisk({ plan, monitor }: Captured, disk: DiskCopy | undefined, signal: AbortSignal): Promise<void> {
  if (disk === undefined) return;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new IsthmusError("CANCELLED", { what: `saving ${plan.name}` }, { cause: signal.reason }));
  promise.catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([disk.finish(), promise]);
  } catch (error) {
    await DiskCopy.clear(monitor).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function saveStopped({ pid, monitor, plan }: Captured, folder: string): Promise<void> {
  await saveDevices(monitor, statePath(folder));
  const file = await open(memoryPath(folder), "a+", 0o600);
  await file.close();
  const memory = await open(memoryPath(folder), "r+");
  try {
    await memory.truncate(plan.memoryBytes);
    await copyPrivatePages({ pid, monitor, sizeBytes: plan.memoryBytes, file: memory });
  } finally {
    await memory.close();
  }
}
