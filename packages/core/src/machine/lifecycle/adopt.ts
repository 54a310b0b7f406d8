import { can, hasCode, IsthmusError, isSettled } from "@isthmus/contract";
import { finishMove } from "../../network/move.ts";
import { publishAgain, takeUpPublished } from "../../network/publish.ts";
import { sweepVolumes } from "../../volume/provide.ts";
import type { AdoptionReport } from "../actions.ts";
import { ADOPT_DEADLINE_MS, ADOPT_RETRY_MS, SIGKILL } from "../config.ts";
import { type Context, engineOf, handleOf, planOf } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { LiveMachine, MachineRecord } from "../ports.ts";
import { afterEnd, finish, sweepProcesses } from "./end.ts";
import { forgetSaved } from "./going-on.ts";
import { removeOrphans } from "./orphans.ts";
import { watch } from "./run.ts";
import { cancelStart, requestKill, shutDown } from "./stop.ts";
import { finishSuspension, undoSuspension } from "./suspend.ts";
import { amend, become, insist } from "./transition.ts";

type Verdict = "adopted" | "ended" | "restarted" | "unreachable" | "settled";

/** Takes up what an earlier daemon left, all machines at once, each with its own deadline; then removes what no record knows. */
export async function adoptAll(context: Context): Promise<AdoptionReport> {
  const cleared = Promise.all([
    context.pools?.clear(context.engines),
    context.templates?.clear(context.engines),
    context.snapshots?.load(),
  ]);
  const records = context.store.allMachines();
  const published = takeUpPublished(context, records);
  const verdicts = await Promise.all(
    records.map((record) => {
      const handle = handleOf(context, record.machine.id);
      handle.adopted = true;
      const verdict = handle.queue.internal(async () => {
        // The publisher may be slow to answer: whoever has no ports, and needs none to be free, does not wait for it.
        if ((record.machine.spec.ports ?? []).length > 0) handle.publication = (await published).get(record.machine.id);
        return await adopt(context, handle, record);
      });
      handle.ready = verdict.then(
        () => undefined,
        (error: unknown) => context.log.error({ machine: handle.id, err: error }, "could not take a machine up"),
      );
      return verdict.catch((): Verdict => "unreachable");
    }),
  );
  const count = (verdict: Verdict) => verdicts.filter((one) => one === verdict).length;
  await cleared;
  await context.networks?.takeUp();
  const orphans = await removeOrphans(context);
  await sweepVolumes(context);
  context.swept.resolve();
  return { adopted: count("adopted"), ended: count("ended"), restarted: count("restarted"), unreachable: count("unreachable"), ...orphans };
}

/** A job of the machine's state queue. */
async function adopt(context: Context, handle: Handle, record: MachineRecord): Promise<Verdict> {
  await context.volumes?.load();
  const { state } = record.machine;
  if (isSettled(state)) {
    // The daemon may have died between saving a machine and ending its process.
    if (state === "suspended") {
      await sweepProcesses(context, handle);
      context.awaitContact(handle);
    } else if (state !== "requested") {
      handle.outputSeen = true;
      afterEnd(context, handle, revived(context, handle, record));
    }
    return "settled";
  }
  if (state === "queued" || state === "starting") {
    const restarted = record.boot.desired === "running";
    context.launch(handle, "crash");
    if (!restarted) cancelStart(context, handle);
    return restarted ? "restarted" : "ended";
  }
  return await reach(context, handle, record);
}

/** As docker's, `always` forgets a stop when the host was restarted; `unless-stopped` does not. A daemon's own restart is none: machines outlive it. */
function revived(context: Context, handle: Handle, record: MachineRecord): MachineRecord {
  const { machine, boot } = record;
  const rebooted = boot.hostBootId !== undefined && boot.hostBootId !== context.capacity.bootId();
  if (!rebooted || machine.spec.restart?.policy !== "always" || machine.exit?.reason === "ttl" || !can("start", machine.state))
    return record;
  return amend(context, handle, { boot: { desired: "running", restartAtMs: context.clock.now() } });
}

async function reach(context: Context, handle: Handle, record: MachineRecord): Promise<Verdict> {
  let live: LiveMachine | undefined;
  try {
    live = await withDeadline(context, (signal) => engineOf(context, record).adopt(planOf(context, record), signal));
  } catch (error) {
    context.log.warn({ machine: handle.id, pid: record.machine.pid, err: error }, "a machine lives but does not answer; trying again");
    retry(context, handle);
    return "unreachable";
  }
  if (!live) {
    if (record.boot.hostBootId === context.capacity.bootId()) await sweepProcesses(context, handle);
    if (await finishSuspension(context, handle, record)) {
      await handle.unpublish();
      context.awaitContact(handle);
      return "settled";
    }
    await finish(context, handle, {});
    return "ended";
  }
  if (record.boot.suspending === true) await undoSuspension(context, handle, live);
  else forgetSaved(context, handle);
  resumeLife(context, handle, record, live);
  await publishAgain(context, handle, record);
  await finishMove(context, handle, live).catch((error: unknown) =>
    context.log.error(
      { machine: handle.id, network: record.boot.moving, err: error },
      "a machine could not be put on its network, or off it",
    ),
  );
  return "adopted";
}

/** Goes on where the earlier daemon stopped: in the state that the machine is really in. */
function resumeLife(context: Context, handle: Handle, record: MachineRecord, live: LiveMachine): void {
  watch(context, handle, live, record);
  const { state } = record.machine;
  if (state === "running" && live.paused) become(context, handle, "paused");
  if (state === "paused" && !live.paused) become(context, handle, "running", {}, "unpaused");
  if (state === "stopping") {
    const left = Math.max(0, (record.boot.stopDeadlineMs ?? 0) - context.clock.now());
    shutDown(context, handle, record.boot.stopSignal, left);
    return;
  }
  if (record.boot.endReason !== "killed") return;
  requestKill(context, handle, SIGKILL).catch((error: unknown) =>
    context.log.error({ machine: handle.id, err: error }, "could not finish a kill that an earlier daemon began"),
  );
}

function retry(context: Context, handle: Handle): void {
  const again = () => {
    insist(context, handle, async () => {
      const record = context.store.machine(handle.id);
      if (handle.live || isSettled(record.machine.state)) return;
      await reach(context, handle, record);
    }).catch((error: unknown) => {
      if (!hasCode(error, "MACHINE_NOT_FOUND")) context.log.error({ machine: handle.id, err: error }, "could not take a machine up");
    });
  };
  handle.setTimer("adopt", context.clock.after(ADOPT_RETRY_MS, again));
}

/** Rejects when `work` takes too long, whether it minds its signal or not. */
async function withDeadline<T>(context: Context, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let cancel = () => {};
  const deadline = new Promise<never>((_, reject) => {
    cancel = context.clock.after(ADOPT_DEADLINE_MS, () => {
      const late = new IsthmusError("TIMEOUT", { what: "taking up the machine", limit: ADOPT_DEADLINE_MS });
      controller.abort(late);
      reject(late);
    });
  });
  try {
    return await Promise.race([work(controller.signal), deadline]);
  } finally {
    cancel();
  }
}
