import { can } from "@isthmus/contract";
import { RESTART_DELAY_MAX_MS } from "../config.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { MachineRecord } from "../ports.ts";
import { become } from "./transition.ts";

/** Starts the machine again when its time has come; the time is in the record, so a new daemon goes on waiting. */
export function scheduleRestart(context: Context, handle: Handle, record: MachineRecord): void {
  if (context.closing.signal.aborted) return;
  const delay = Math.max(0, (record.boot.restartAtMs ?? 0) - context.clock.now());
  const fire = () => {
    handle.queue
      .internal(() => restart(context, handle))
      .catch((error: unknown) => {
        context.log.warn({ machine: handle.id, err: error }, "a restart by policy must wait");
        handle.setTimer("restart", context.clock.after(RESTART_DELAY_MAX_MS, fire));
      });
  };
  handle.setTimer("restart", context.clock.after(Math.min(delay, RESTART_DELAY_MAX_MS), fire));
}

function restart(context: Context, handle: Handle): void {
  if (context.closing.signal.aborted || handle.removed) return;
  const record = context.store.machine(handle.id);
  const { machine, boot } = record;
  if (boot.desired !== "running" || !can("start", machine.state)) return;
  become(context, handle, "queued", {
    machine: { restarts: machine.restarts + 1, exit: undefined, failure: undefined },
    boot: {
      restartAtMs: undefined,
      endReason: undefined,
      stopDeadlineMs: undefined,
      resumes: 0,
      ...context.admitting.queued(machine.spec, "policy"),
    },
    details: { restarts: machine.restarts + 1 },
  });
  context.launch(handle, "policy");
}
