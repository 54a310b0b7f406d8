import type { IsthmusError, MachineExit } from "@isthmus/contract";
import { EXIT_CANCELLED, EXIT_ENGINE_DIED, EXIT_KILLED, KILL_DEADLINE_MS, SIGKILL, SIGTERM } from "../config.ts";
import { type Context, engineOf, type StartedBy, sleep } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { EngineEnd, LiveMachine, MachineRecord } from "../ports.ts";
import { scheduleRemoval } from "./auto-remove.ts";
import { scheduleRestart } from "./restart.ts";
import { nextRestart } from "./restart-policy.ts";
import { become } from "./transition.ts";

/**
 * The engine process is gone: the exit that the guest wrote, or why there is none. A job of the state queue; does nothing for a machine that is settled
 * already.
 */
export async function finish(context: Context, handle: Handle, end: EngineEnd): Promise<void> {
  const record = context.store.machine(handle.id);
  const { state } = record.machine;
  if (state !== "running" && state !== "paused" && state !== "stopping" && state !== "starting") return;
  const exit = await exitOf(context, record);
  if (exit.reason === "vmm-died") {
    context.log.warn({ machine: handle.id, pid: record.machine.pid, status: end.status }, "an engine process ended without an exit record");
  }
  const restart = decideRestart(context, record, exit);
  // Who is told of the end finds the ports free.
  await handle.unpublish();
  context.crashpoint("exit.before-exited");
  const settled = become(context, handle, "exited", {
    machine: { exit, finishedAt: new Date(context.clock.now()).toISOString(), pid: undefined, ports: [] },
    boot: restart ?? { desired: "stopped", restartAtMs: undefined },
    details: { ...exit, ...(end.status === undefined ? {} : { engine: end.status }) },
  });
  context.crashpoint("exit.after-exited");
  handle.release();
  afterEnd(context, handle, settled);
}

/** A start that came to nothing: `exited` when it was called off, else `failed` with its first cause. A job of the state queue. */
export function settleStart(context: Context, handle: Handle, failure: IsthmusError, by: StartedBy): void {
  const record = context.store.machine(handle.id);
  const finishedAt = new Date(context.clock.now()).toISOString();
  context.crashpoint("start.before-failed");
  if (failure.code === "CANCELLED") {
    const exit: MachineExit = { code: EXIT_CANCELLED, signal: SIGTERM, reason: "cancelled" };
    const settled = become(context, handle, "exited", { machine: { exit, finishedAt }, boot: stopped, details: exit });
    context.crashpoint("start.after-failed");
    afterEnd(context, handle, settled);
    return;
  }
  const { code, message, remedy } = failure;
  const restart = by === "policy" ? decideRestart(context, record, undefined) : undefined;
  const settled = become(context, handle, "failed", {
    machine: { failure: { code, message, remedy }, finishedAt, pid: undefined },
    boot: restart ?? stopped,
    details: { code, message },
  });
  context.crashpoint("start.after-failed");
  handle.outputSeen = true;
  afterEnd(context, handle, settled);
}

export const stopped = { desired: "stopped", restartAtMs: undefined } as const;

/** Arms what follows an end: a restart, or the removal. Also for ends that an earlier daemon saw. */
export function afterEnd(context: Context, handle: Handle, record: MachineRecord): void {
  if (record.boot.desired === "running") scheduleRestart(context, handle, record);
  else if (record.machine.spec.autoRemove === true) scheduleRemoval(context, handle);
}

export function decideRestart(context: Context, record: MachineRecord, exit: MachineExit | undefined) {
  const { machine, boot } = record;
  const now = context.clock.now();
  const next = nextRestart({
    restart: machine.spec.restart,
    exit,
    wanted: boot.desired === "running",
    ranMs: boot.startedMs === undefined ? 0 : now - boot.startedMs,
    attempts: boot.attempts,
    restarts: machine.restarts,
  });
  return next && { desired: "running" as const, attempts: next.attempts, restartAtMs: now + next.delayMs };
}

async function exitOf(context: Context, record: MachineRecord): Promise<MachineExit> {
  const { machine, boot } = record;
  const written = await context.output.exit(context.folders.outputPath(machine.id), boot.bootOffset).catch((error: unknown) => {
    context.log.error({ machine: machine.id, err: error }, "could not read the exit record");
    return undefined;
  });
  if (written) return boot.endReason === "ttl" ? { ...written, reason: "ttl" } : written;
  if (boot.endReason !== undefined) return { code: EXIT_KILLED, signal: SIGKILL, reason: boot.endReason };
  const rebooted = boot.hostBootId !== undefined && boot.hostBootId !== context.capacity.bootId();
  return { code: EXIT_ENGINE_DIED, reason: rebooted ? "host-rebooted" : "vmm-died" };
}

/** SIGKILL to a suspended machine: what it was is given up. A job of the state queue. */
export async function endSuspended(context: Context, handle: Handle): Promise<MachineRecord> {
  const exit = { code: EXIT_KILLED, signal: SIGKILL, reason: "killed" } as const;
  context.crashpoint("suspend.before-exited");
  const settled = become(context, handle, "exited", {
    machine: { exit, finishedAt: new Date(context.clock.now()).toISOString(), suspendedAt: undefined, ports: [] },
    boot: { desired: "stopped", restartAtMs: undefined, goesOnFrom: undefined },
    details: exit,
  });
  context.crashpoint("suspend.after-exited");
  await context.folders.saved.remove(handle.id);
  afterEnd(context, handle, settled);
  return settled;
}

/** Ends an engine process and waits, a bounded time, until it is gone. */
export async function endLive(context: Context, handle: Handle, live: LiveMachine): Promise<void> {
  try {
    await live.kill();
  } catch (error) {
    context.log.error({ machine: handle.id, pid: live.pid, err: error }, "could not kill an engine process");
  }
  await Promise.race([live.ended, sleep(context, KILL_DEADLINE_MS)]);
  live.release();
}

/** Ends engine processes of this machine that nothing holds on to, so that there is never a second one. */
export async function sweepProcesses(context: Context, handle: Handle): Promise<void> {
  const record = context.store.machine(handle.id);
  const engine = engineOf(context, record);
  const folder = context.folders.folder(handle.id);
  for (const found of await engine.processes(context.folders.root)) {
    if (found.machineId === handle.id) await engine.reap(found.pid, folder);
  }
}
