import { beginning } from "../../health/status.ts";
import { watchHealth } from "../../health/watch.ts";
import type { StartedFrom } from "../../template/starting.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { LiveMachine, MachineRecord } from "../ports.ts";
import { finish } from "./end.ts";
import { forgetSaved } from "./going-on.ts";
import { requestStop } from "./stop.ts";
import { become, insist } from "./transition.ts";

/** How a start came about. */
export interface StartStory {
  /** ms of each step */
  readonly timings: Readonly<Record<string, number>>;
  readonly startedFrom?: StartedFrom;
  readonly notes: readonly string[];
}

/** The guest answered: from here on the machine runs. A job of its state queue. */
export function takeOver(context: Context, handle: Handle, live: LiveMachine, story: StartStory): MachineRecord {
  const { timings, startedFrom } = story;
  const { boot, machine } = context.store.machine(handle.id);
  const now = context.clock.now();
  const resumed = boot.goesOnFrom?.from === "suspension";
  const way = startedFrom ?? (resumed ? "suspension" : undefined);
  context.crashpoint("start.before-running");
  const record = become(context, handle, "running", {
    machine: {
      pid: live.pid,
      accelerator: live.accelerator,
      ports: [...live.ports, ...(handle.publication?.ports ?? [])],
      notes: [...(boot.notes ?? []), ...live.notes, ...story.notes],
      startedFrom: way,
      timings,
      // A guest that was away is as well as it was.
      health: resumed ? machine.health : machine.spec.healthcheck && beginning,
      startedAt: resumed ? machine.startedAt : new Date(now).toISOString(),
      suspendedAt: undefined,
      finishedAt: undefined,
      exit: undefined,
      failure: undefined,
    },
    boot: { startedMs: resumed ? boot.startedMs : now, goesOnFrom: undefined },
    details: { pid: live.pid, accelerator: live.accelerator, ms: timings.total ?? 0, queueMs: timings.queue ?? 0, startedFrom: way },
  });
  context.crashpoint("start.after-running");
  if (resumed) forgetSaved(context, handle);
  watch(context, handle, live, record);
  return record;
}

/** Holds on to a machine that runs: its end, its time to live, the size of its output. */
export function watch(context: Context, handle: Handle, live: LiveMachine, record: MachineRecord): void {
  handle.live = live;
  handle.outputSeen = false;
  handle.trimming = context.output.keep(context.folders.outputPath(handle.id), record.machine.spec.logMaxBytes ?? Number.MAX_SAFE_INTEGER);
  void live.ended.then((end) => {
    if (handle.live !== live || context.closing.signal.aborted) return;
    insist(context, handle, () => finish(context, handle, end)).catch((error: unknown) =>
      context.log.error({ machine: handle.id, err: error }, "could not settle a machine that ended"),
    );
  });
  armTtl(context, handle, record);
  watchHealth(context, handle, live, record);
  const { idleSuspendMs } = record.machine.spec;
  if (idleSuspendMs !== undefined) context.watchIdleness(handle, live, idleSuspendMs);
}

function armTtl(context: Context, handle: Handle, record: MachineRecord): void {
  const { ttlMs } = record.machine.spec;
  if (ttlMs === undefined || record.machine.state === "stopping") return;
  const left = (record.boot.startedMs ?? context.clock.now()) + ttlMs - context.clock.now();
  const fire = () => {
    requestStop(context, handle, { reason: "ttl" }).catch((error: unknown) =>
      context.log.warn({ machine: handle.id, err: error }, "time to live is over, but the stop was refused"),
    );
  };
  handle.setTimer("ttl", context.clock.after(Math.max(0, left), fire));
}
