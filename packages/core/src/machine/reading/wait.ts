import { hasCode, IsthmusError, isErrorCode, type Machine, type MachineExit } from "@isthmus/contract";
import type { WaitCondition } from "../actions.ts";
import { type Context, checkOpen, find, waitingSignal } from "../context.ts";
import { type Handle, isFinal, type StartInProgress } from "../handle.ts";
import { conflict } from "../lifecycle/transition.ts";
import type { MachineRecord } from "../ports.ts";

/** Waits for a start that is under way; its failure is thrown. */
export async function started(context: Context, start: StartInProgress, user?: AbortSignal): Promise<Machine> {
  const waiting = waitingSignal(context, user, "waiting for the start");
  try {
    return (await Promise.race([start.done, rejection(waiting.signal)])).machine;
  } finally {
    waiting.done();
  }
}

/** Rejects with the reason when `signal`, which nobody else has, is aborted. */
function rejection(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

/** Waits until a machine that an earlier request started runs, or throws how that start failed. */
export async function startedEarlier(context: Context, handle: Handle, record: MachineRecord, user?: AbortSignal): Promise<Machine> {
  if (handle.start) return await started(context, handle.start, user);
  if (record.machine.failure) throw failureOf(record);
  return record.machine;
}

/** See `Machines.wait`. */
export async function waitFor(
  context: Context,
  ref: string,
  condition: WaitCondition,
  user: AbortSignal | undefined,
  tenant?: string,
): Promise<MachineExit | undefined> {
  checkOpen(context);
  let found: ReturnType<typeof find>;
  try {
    found = find(context, ref, tenant);
  } catch (error) {
    const exit = context.removedExits.get(ref, context.clock.now(), tenant);
    if (!(exit && hasCode(error, "MACHINE_NOT_FOUND") && condition !== "running")) throw error;
    if (condition === "removed") await removal(context, ref, user);
    return exit;
  }
  const { handle, record } = found;
  const waiting = waitingSignal(context, user, `waiting for machine ${record.machine.name}`);
  try {
    const { exit } = await handle.until(record, lookFor(context, condition, handle, record), waiting.signal);
    return exit;
  } finally {
    waiting.done();
  }
}

/** Until nothing is left of a machine whose record is gone. */
async function removal(context: Context, id: string, user: AbortSignal | undefined): Promise<void> {
  const waiting = waitingSignal(context, user, `waiting for the removal of ${id}`);
  try {
    await Promise.race([context.removals.get(id), rejection(waiting.signal)]);
  } finally {
    waiting.done();
  }
}

interface Found {
  readonly exit: MachineExit | undefined;
}

function lookFor(context: Context, condition: WaitCondition, handle: Handle, first: MachineRecord) {
  return (record: MachineRecord | undefined): Found | undefined => {
    if (record === undefined) {
      const exit = context.removedExits.get(handle.id, context.clock.now());
      if (condition === "removed" || (condition === "exited" && exit)) return { exit };
      throw new IsthmusError("MACHINE_NOT_FOUND", { ref: first.machine.name });
    }
    if (condition === "removed") return undefined;
    if (condition === "running") return lookForRunning(record);
    if (!isFinal(record)) return undefined;
    if (record.machine.failure) throw failureOf(record);
    return { exit: record.machine.exit };
  };
}

function lookForRunning(record: MachineRecord): Found | undefined {
  const { state } = record.machine;
  if (state === "running" || state === "paused") return { exit: undefined };
  if (!isFinal(record) && state !== "stopping") return undefined;
  throw record.machine.failure ? failureOf(record) : conflict("wait for", record, ["requested", "queued", "starting", "running"]);
}

/** The recorded first cause of a failed start, as an error again. */
function failureOf(record: MachineRecord): IsthmusError {
  const { failure, name } = record.machine;
  if (!failure || !isErrorCode(failure.code))
    return new IsthmusError("START_FAILED", { name, reason: failure?.message ?? "no reason was kept" });
  const error = new IsthmusError(failure.code, { name });
  error.message = failure.message;
  return error;
}
