import {
  can,
  canBecome,
  hasCode,
  hasEnded,
  IsthmusError,
  type Machine,
  type MachineAction,
  type MachineState,
  machineActions,
} from "@isthmus/contract";
import { leaseIn, type Seat } from "../../licence/lease.ts";
import { leaseEvents } from "../../licence/lease-events.ts";
import { isHeld } from "../admitting/leases.ts";
import { COMMIT_RETRY_MS } from "../config.ts";
import { type Context, sleep } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { BootRecord, MachineRecord, NewEvent } from "../ports.ts";

export interface Change {
  readonly machine?: Partial<Omit<Machine, "id" | "state">>;
  readonly boot?: Partial<BootRecord>;
  /** of the event */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The one place where a machine's state changes: a durable commit with its event, then those who wait are told. Called from jobs of the machine's
 * state queue only.
 */
export function become(context: Context, handle: Handle, to: MachineState, change: Change = {}, event: string = to): MachineRecord {
  const record = context.store.machine(handle.id);
  const from = record.machine.state;
  if (!canBecome(from, to)) {
    throw new IsthmusError("INTERNAL", { reason: `machine ${record.machine.name} cannot go from ${from} to ${to}` });
  }
  return commit(context, handle, record, { ...change, machine: { ...change.machine }, to }, [
    { type: `machine.${event}`, machineId: handle.id, machineName: record.machine.name, details: change.details ?? {} },
  ]);
}

/** A change that is none of the state, with the events that tell of it. */
export function amend(context: Context, handle: Handle, change: Change, events: readonly NewEvent[] = []): MachineRecord {
  const record = context.store.machine(handle.id);
  return commit(context, handle, record, { ...change, to: record.machine.state }, events);
}

/** The commit in which a start is let in: whoever has a lease holds what its size says, until the commit in which it settles. */
export function lease(context: Context, handle: Handle, seats: readonly Seat[], details: Change["details"]): MachineRecord {
  const record = context.store.machine(handle.id);
  const grantedMs = record.boot.lease?.grantedMs ?? context.clock.now();
  return commit(context, handle, record, { boot: { lease: { grantedMs, seats } }, to: record.machine.state }, [
    { type: "machine.admitted", machineId: handle.id, machineName: record.machine.name, details: details ?? {} },
  ]);
}

function commit(
  context: Context,
  handle: Handle,
  record: MachineRecord,
  change: Change & { readonly to: MachineState },
  events: readonly NewEvent[],
): MachineRecord {
  const boot = { ...record.boot, ...change.boot };
  const waitsUntil = hasEnded(change.to) && boot.desired === "running" ? boot.restartAtMs : undefined;
  const restartsAt = waitsUntil === undefined ? undefined : new Date(waitsUntil).toISOString();
  const next: MachineRecord = {
    machine: { ...record.machine, ...change.machine, state: change.to, restartsAt },
    // In this one place, so that whatever ends a machine returns what it held, and once.
    boot: { ...boot, lease: leaseIn(change.to, boot.lease) },
  };
  context.store.updateMachine(next, [...events, ...leaseEvents(context.store, record, next)]);
  context.leases.note(next);
  if (isHeld(record) && !isHeld(next)) context.admitting.changed();
  handle.notify(next);
  return next;
}

/** Throws STATE_CONFLICT naming the states in which the action works. */
export function allow(action: MachineAction, record: MachineRecord): void {
  if (can(action, record.machine.state)) return;
  throw conflict(action, record, machineActions[action]);
}

export function conflict(action: string, record: MachineRecord, allowed: readonly MachineState[]): IsthmusError {
  return new IsthmusError("STATE_CONFLICT", {
    action,
    name: record.machine.name,
    state: record.machine.state,
    allowed: allowed.join(", "),
    first: firstStep(action, record.machine),
  });
}

/** The command that brings a machine to where the action works, as a sentence. */
function firstStep(action: string, { name, state }: Machine): string {
  if (action === "remove") return ` Remove it all the same: isthmus rm -f ${name}`;
  if (action === "kill") return state === "queued" || state === "starting" ? ` Call its start off: isthmus stop ${name}` : "";
  if (state === "suspended" && action !== "suspend") return ` Resume it first: isthmus resume ${name}`;
  if (state === "paused" && action !== "pause") return ` Unpause it first: isthmus unpause ${name}`;
  return hasEnded(state) && action !== "unpause" && action !== "resume" ? ` Start it first: isthmus start ${name}` : "";
}

/**
 * Runs a job of the machine's queue that writes down what has already happened. A full disk or a failing store does not lose it: the job runs again
 * until it succeeds or the daemon ends, whose successor finds out anew.
 */
export async function insist<T>(context: Context, handle: Handle, job: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await handle.queue.internal(job);
    } catch (error) {
      if (!hasCode(error, "DISK_FULL", "STORE_FAILED") || context.closing.signal.aborted) throw error;
      context.log.error({ machine: handle.id, code: error.code, err: error }, "could not write down a machine's state; trying again");
      await sleep(context, COMMIT_RETRY_MS);
    }
  }
}
