import { hasEnded, IsthmusError, isSettled, type Machine, type MachineState } from "@isthmus/contract";
import { volumesOf } from "../../volume/mounts.ts";
import { SIGKILL, STOP_GRACE_MS, VOLUMES_WRITTEN_MS } from "../config.ts";
import { type Context, engineOf, sleep, waitingSignal } from "../context.ts";
import { type Handle, isFinal } from "../handle.ts";
import type { LiveMachine, MachineRecord } from "../ports.ts";
import { endSuspended, finish } from "./end.ts";
import { allow, amend, become, conflict, insist } from "./transition.ts";

export interface StopRequest {
  readonly signal?: number;
  readonly timeoutMs?: number;
  readonly reason?: "ttl";
}

/** Begins an orderly stop, calls off a start in progress, or calls off a restart that waits; nothing is left to do for a machine that has ended. Resolves when that is under way. */
export async function requestStop(context: Context, handle: Handle, request: StopRequest): Promise<MachineRecord> {
  const { name } = context.store.machine(handle.id).machine;
  return await handle.queue.request(name, () => {
    const record = context.store.machine(handle.id);
    if (cancelRestart(context, handle, record)) return context.store.machine(handle.id);
    allow("stop", record);
    if (isSettled(record.machine.state)) return record;
    if (record.machine.state === "queued" || record.machine.state === "starting") return cancelStart(context, handle);
    return beginStop(context, handle, record, request);
  });
}

/** True when the machine had ended and only waited for its restart. */
function cancelRestart(context: Context, handle: Handle, record: MachineRecord): boolean {
  if (!hasEnded(record.machine.state) || record.boot.desired !== "running") return false;
  handle.clearTimer("restart");
  amend(context, handle, { boot: { desired: "stopped", restartAtMs: undefined } });
  return true;
}

/** The start tears itself down and writes the machine down as exited. */
export function cancelStart(context: Context, handle: Handle): MachineRecord {
  const record = amend(context, handle, { boot: { desired: "stopped", endReason: "cancelled" } });
  handle.start?.controller.abort();
  return record;
}

async function beginStop(context: Context, handle: Handle, record: MachineRecord, request: StopRequest): Promise<MachineRecord> {
  const { spec } = record.machine;
  const timeoutMs = request.timeoutMs ?? spec.stopTimeoutMs ?? 0;
  if (record.machine.state === "paused") await handle.live?.unpause();
  handle.clearTimer("ttl");
  context.crashpoint("stop.before-stopping");
  const stopping = become(context, handle, "stopping", {
    boot: { desired: "stopped", stopDeadlineMs: context.clock.now() + timeoutMs, endReason: request.reason },
    details: request.reason === undefined ? {} : { reason: request.reason },
  });
  context.crashpoint("stop.after-stopping");
  shutDown(context, handle, request.signal ?? record.boot.stopSignal, timeoutMs);
  return stopping;
}

/** Tells the guest to stop; whatever it does, its engine is gone soon after the deadline. Also for a stop that an earlier daemon began. */
export function shutDown(context: Context, handle: Handle, signal: number, timeoutMs: number): void {
  const { live } = handle;
  const killAfter = (ms: number) => {
    handle.setTimer(
      "stop",
      context.clock.after(ms, () => void killNow(context, handle)),
    );
  };
  killAfter(live ? timeoutMs + STOP_GRACE_MS : timeoutMs);
  if (!live) return;
  context.crashpoint("stop.before-shutdown");
  live
    .shutdown(signal, timeoutMs)
    .then(() => context.crashpoint("stop.after-shutdown"))
    .catch((error: unknown) => {
      if (handle.live !== live) return;
      context.log.warn({ machine: handle.id, err: error }, "the guest did not take the stop; its engine is killed at the deadline");
      killAfter(timeoutMs);
    });
}

/** Ends the engine and writes down why. A failure is logged: the caller waits for the machine's end, or has gone. */
async function killNow(context: Context, handle: Handle): Promise<void> {
  try {
    await insist(context, handle, () => markKilled(context, handle));
    await endEngine(context, handle);
  } catch (error) {
    context.log.error({ machine: handle.id, err: error }, "could not kill a machine");
  }
}

function markKilled(context: Context, handle: Handle): void {
  const { boot } = context.store.machine(handle.id);
  context.crashpoint("kill.before-mark");
  amend(context, handle, { boot: { desired: "stopped", endReason: boot.endReason ?? "killed" } });
  context.crashpoint("kill.after-mark");
}

async function endEngine(context: Context, handle: Handle): Promise<void> {
  const { live } = handle;
  context.crashpoint("kill.before-engine");
  if (live) await killLive(context, handle, live);
  else await endUnreachable(context, handle);
  context.crashpoint("kill.after-engine");
}

/** The end comes through `live.ended`, as every end does. */
async function killLive(context: Context, handle: Handle, live: LiveMachine): Promise<void> {
  if (volumesOf(context.store.machine(handle.id).machine.spec).length > 0) await writtenOut(context, live);
  await live
    .kill()
    .catch((error: unknown) => context.log.error({ machine: handle.id, pid: live.pid, err: error }, "could not kill an engine process"));
}

/** What a guest with volumes has not yet written to them must outlive it, as it would outlive a process: the workload is killed, and the guest given a moment to write. */
async function writtenOut(context: Context, live: LiveMachine): Promise<void> {
  const over = live.shutdown(SIGKILL, 0).then(
    () => live.ended,
    () => undefined,
  );
  await Promise.race([over, sleep(context, VOLUMES_WRITTEN_MS)]);
}

/** A machine that lives but never answered this daemon has nothing that would tell of its end. */
async function endUnreachable(context: Context, handle: Handle): Promise<void> {
  const record = context.store.machine(handle.id);
  handle.clearTimer("adopt");
  if (record.machine.pid !== undefined) await engineOf(context, record).reap(record.machine.pid, context.folders.folder(handle.id));
  await insist(context, handle, () => finish(context, handle, {}));
}

/** SIGKILL ends the machine at once; any other signal goes to the workload. */
export async function requestKill(context: Context, handle: Handle, signal: number): Promise<MachineRecord> {
  const { name } = context.store.machine(handle.id).machine;
  if (signal !== SIGKILL) return await signalWorkload(context, handle, signal);
  const record = await handle.queue.request(name, async () => {
    const present = context.store.machine(handle.id);
    allow("kill", present);
    if (present.machine.state === "suspended") return await endSuspended(context, handle);
    markKilled(context, handle);
    return present;
  });
  if (record.machine.state !== "exited") await endEngine(context, handle);
  return record;
}

async function signalWorkload(context: Context, handle: Handle, signal: number): Promise<MachineRecord> {
  const record = context.store.machine(handle.id);
  allow("kill", record);
  const reachable: readonly MachineState[] = ["running", "stopping"];
  if (!reachable.includes(record.machine.state)) throw conflict("signal", record, reachable);
  if (!handle.live)
    throw new IsthmusError("AGENT_UNREACHABLE", { name: record.machine.name, reason: "it has not answered since the daemon started" });
  await handle.live.signalWorkload(signal);
  return record;
}

/** Waits until the machine has ended for good, or finds that it never began. Resolves with its last record, also when it is removed by itself. */
export async function ended(context: Context, handle: Handle, first: MachineRecord, user?: AbortSignal): Promise<Machine> {
  const waiting = waitingSignal(context, user, `waiting for machine ${first.machine.name}`);
  let last = first;
  try {
    return await handle.until<Machine>(
      presentOr(context, handle, first),
      (record) => {
        if (record === undefined) return last.machine;
        last = record;
        return isFinal(record) || record.machine.state === "requested" ? record.machine : undefined;
      },
      waiting.signal,
    );
  } finally {
    waiting.done();
  }
}

function presentOr(context: Context, handle: Handle, first: MachineRecord): MachineRecord {
  return handle.removed ? first : context.store.machine(handle.id);
}
