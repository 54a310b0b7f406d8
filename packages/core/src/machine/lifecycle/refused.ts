import { hasCode, type IsthmusError } from "@isthmus/contract";
import type { Shortage } from "../../admission/request.ts";
import { checkPressure } from "../../contention/refusal.ts";
import type { Context, StartedBy } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { BootRecord } from "../ports.ts";
import { afterEnd, decideRestart, stopped } from "./end.ts";
import { amend, become } from "./transition.ts";

/** A start that was not let in: `refused`, kept with its reason. A job of the state queue. */
export function settleRefused(context: Context, handle: Handle, failure: IsthmusError, shortage: Shortage, by: StartedBy): void {
  const record = context.store.machine(handle.id);
  const now = context.clock.now();
  const { code, message, remedy } = failure;
  const restart = by === "policy" ? decideRestart(context, record, undefined) : undefined;
  const waitedMs = Math.max(0, now - (record.boot.queued?.atMs ?? now));
  context.crashpoint("start.before-refused");
  const settled = become(context, handle, "refused", {
    machine: { failure: { code, message, remedy }, finishedAt: new Date(now).toISOString(), pid: undefined },
    boot: restart ?? stopped,
    details: { code, message, ...figures(shortage), waitedMs },
  });
  context.crashpoint("start.after-refused");
  handle.outputSeen = true;
  afterEnd(context, handle, settled);
}

/**
 * Asks admission, and with `pressure` the host, before a start or resume is written down; `asked` is how it asks. A refusal is kept with the machine, so that
 * who asks why is told: one that never ran is `refused`, any other stays as it is. Nothing is written when it was refused for the same before, for a flood of
 * requests must cost no disk. A job of the state queue. Throws HOST_PRESSURE and what `Admitting.check` throws.
 */
export function checkAdmission(context: Context, handle: Handle, asked: Pick<BootRecord, "queued">, pressure: boolean): void {
  const record = context.store.machine(handle.id);
  try {
    if (pressure) checkPressure(context);
    context.admitting.check({ ...record, boot: { ...record.boot, ...asked } });
  } catch (error) {
    try {
      noteRefusal(context, handle, error);
    } catch (cause) {
      context.log.warn({ machine: handle.id, err: cause }, "could not write down why a start was refused");
    }
    throw error;
  }
}

function noteRefusal(context: Context, handle: Handle, error: unknown): void {
  if (!hasCode(error)) return;
  const shortage = context.admitting.shortage(error);
  if (shortage === undefined && error.code !== "HOST_PRESSURE") return;
  const { state, name, failure } = context.store.machine(handle.id).machine;
  const { code, message, remedy } = error;
  if (failure?.message === message) return;
  const machine = { failure: { code, message, remedy } };
  const details = { code, message, ...(shortage === undefined ? {} : figures(shortage)), waitedMs: 0 };
  if (state === "requested") afterEnd(context, handle, become(context, handle, "refused", { machine, details }));
  else amend(context, handle, { machine }, [{ type: "machine.refused", machineId: handle.id, machineName: name, details }]);
}

function figures({ limit, scope, needed, used, max, unit }: Shortage) {
  return { limit, scope, needed, used, max, unit };
}
