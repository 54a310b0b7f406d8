import { hasCode, IsthmusError } from "@isthmus/contract";
import type { AdmissionRequest, Grant } from "../../admission/request.ts";
import type { Seat } from "../../licence/lease.ts";
import { requireNetworks } from "../../network/attach.ts";
import { publishPorts } from "../../network/publish.ts";
import { type Begun, begin } from "../../template/starting.ts";
import { checkVolumes } from "../../volume/claims.ts";
import { volumesOf } from "../../volume/mounts.ts";
import { layOutBinds } from "../../volume/provide.ts";
import { START_RESUMES_MAX, WAITING_EVENT_MS } from "../config.ts";
import { type Context, engineOf, handleOf, planOf, type StartedBy } from "../context.ts";
import type { Handle, StartInProgress } from "../handle.ts";
import type { LiveMachine, MachineRecord, PreparedClone, StartPlan } from "../ports.ts";
import { endLive, settleStart, sweepProcesses } from "./end.ts";
import { backToSuspended, goOn, layOutClone, useSaved } from "./going-on.ts";
import { checkAdmission, settleRefused } from "./refused.ts";
import { takeOver } from "./run.ts";
import { allow, amend, become, insist, lease } from "./transition.ts";

/** A user's start. Resolves when the start is under way, with its promise. */
export function requestStart(context: Context, handle: Handle, name: string): Promise<StartInProgress> {
  return handle.queue.request(name, () => {
    const record = context.store.machine(handle.id);
    allow("start", record);
    const asked = context.admitting.queued(record.machine.spec, "user");
    checkAdmission(context, handle, asked, true);
    checkVolumes(context, record);
    handle.clearTimers();
    context.crashpoint("start.before-queued");
    const machine = { restarts: 0, exit: undefined, failure: undefined };
    become(context, handle, "queued", { machine, boot: { ...wanted, ...asked, attempts: 0 } });
    context.crashpoint("start.after-queued");
    return launch(context, handle, "user");
  });
}

/** What a start sets in the boot record. */
export const wanted = {
  desired: "running",
  endReason: undefined,
  stopDeadlineMs: undefined,
  restartAtMs: undefined,
  resumes: 0,
  yielded: undefined,
  moving: undefined,
} as const;

/** Begins the start of a machine that is `queued`, or `starting` since an earlier daemon. */
export function launch(context: Context, handle: Handle, by: StartedBy): StartInProgress {
  const controller = new AbortController();
  const done = run(context, handle, controller.signal, by).finally(() => {
    handle.start = undefined;
  });
  done.catch(() => undefined);
  handle.start = { controller, done };
  return handle.start;
}

/** What one start has made so far, for its timings and for tearing it down. */
interface Progress {
  readonly timings: Record<string, number>;
  readonly beganMs: number;
  /** the machine had none of its own before */
  newDisk: boolean;
  /** from a pool, in the machine's folders, until its start began */
  prepared?: PreparedClone;
  live?: LiveMachine;
  /** absent for a start that an earlier daemon began */
  begun?: Begun;
}

async function run(context: Context, handle: Handle, signal: AbortSignal, by: StartedBy): Promise<MachineRecord> {
  const progress: Progress = { timings: {}, beganMs: performance.now(), newDisk: false };
  let grant: Grant | undefined;
  let ok = false;
  try {
    if (by === "crash") progress.live = await resume(context, handle, signal);
    if (progress.live) await publishPorts(context, handle, context.store.machine(handle.id));
    if (!progress.live) {
      const queued = performance.now();
      grant = await enter(context, handle, signal);
      note(progress, "queue", queued);
      await prepare(context, handle, signal, progress);
      progress.begun = await spawn(context, handle, signal, progress);
      progress.live = progress.begun.live;
    }
    Object.assign(progress.timings, progress.live.timings);
    progress.timings.total = Math.round((performance.now() - progress.beganMs) * 10) / 10;
    const { live, timings, begun } = progress;
    const record = await handle.queue.internal(() => {
      signal.throwIfAborted();
      return takeOver(context, handle, live, { timings, startedFrom: begun?.startedFrom, notes: begun?.notes ?? [] });
    });
    ok = true;
    return record;
  } catch (error) {
    await handle.unpublish();
    if (progress.live) await endLive(context, handle, progress.live);
    else await progress.prepared?.end();
    // What this daemon lets go of because it stops is the next one's to finish.
    if (context.closing.signal.aborted && !signal.aborted) throw new IsthmusError("SHUTTING_DOWN", {}, { cause: error });
    throw await fail(context, handle, signal, by, progress, error);
  } finally {
    const latencyMs = performance.now() - progress.beganMs - (progress.timings.queue ?? 0);
    grant?.done({ ok, latencyMs, kind: progress.begun?.startedFrom ?? "start" });
  }
}

/** Waits until admission lets the start in. One that waits for long is told of, with its place and cause. */
async function enter(context: Context, handle: Handle, signal: AbortSignal): Promise<Grant> {
  const record = context.store.machine(handle.id);
  const cancel = context.clock.after(WAITING_EVENT_MS, () => tellOfWaiting(context, handle));
  try {
    return await context.admitting.enter(record, signal);
  } finally {
    cancel();
  }
}

function tellOfWaiting(context: Context, handle: Handle): void {
  const place = context.admitting.place(handle.id);
  if (place === undefined || context.closing.signal.aborted) return;
  const { cause, ...figures } = place;
  const { name } = context.store.machine(handle.id).machine;
  const details = typeof cause === "string" ? { ...figures, cause } : { ...figures, cause: cause.limit, shortage: cause };
  context.store.appendEvents([{ type: "machine.waiting", machineId: handle.id, machineName: name, details }]);
}

/** Admission has decided for this start: its lease is committed, before anything is waited for. */
export function grantLease(context: Context, request: AdmissionRequest, seats: readonly Seat[]): void {
  const handle = handleOf(context, request.id);
  const { machine, boot } = context.store.machine(request.id);
  // An earlier daemon may have let it in.
  const waits = machine.state === "queued" || machine.state === "starting";
  if (!waits || boot.desired !== "running") throw new IsthmusError("CANCELLED", { what: "the start" });
  context.crashpoint("start.before-lease");
  const waitedMs = Math.max(0, context.clock.now() - request.queuedAtMs);
  lease(context, handle, seats, { waitedMs, tenant: request.tenant, ...(seats.length > 0 ? { seats: seats.length } : {}) });
  context.crashpoint("start.after-lease");
}

/**
 * What is left of a start in which the daemon died: a guest that goes on, or undefined once it is sure that no process is left, so that the start can
 * begin again. Throws START_FAILED when it has begun again too often.
 */
async function resume(context: Context, handle: Handle, signal: AbortSignal): Promise<LiveMachine | undefined> {
  const record = context.store.machine(handle.id);
  if (record.machine.state !== "starting") {
    // A clone from a pool may be in its folder.
    await sweepProcesses(context, handle);
    return undefined;
  }
  const live = await engineOf(context, record).adopt(planOf(context, record), signal, () => useSaved(context, record));
  if (live) return live;
  await sweepProcesses(context, handle);
  const resumes = record.boot.resumes ?? 0;
  if (resumes >= START_RESUMES_MAX) {
    const reason = `the daemon ended ${resumes + 1} times during this start`;
    throw new IsthmusError("START_FAILED", { name: record.machine.name, reason });
  }
  await handle.queue.internal(() => amend(context, handle, { boot: { resumes: resumes + 1 } }));
  return undefined;
}

async function fail(context: Context, handle: Handle, signal: AbortSignal, by: StartedBy, progress: Progress, error: unknown) {
  const failure = signal.aborted
    ? new IsthmusError("CANCELLED", { what: "the start" }, { cause: error })
    : asStartFailure(context, handle, error);
  if (progress.newDisk) {
    await context.folders.removeDisk(handle.id).catch((cause) => context.log.warn({ machine: handle.id, err: cause }, "disk left behind"));
  }
  if (by === "crash") await sweepProcesses(context, handle);
  await insist(context, handle, async () => {
    if (await backToSuspended(context, handle, failure)) return;
    const shortage = context.admitting.shortage(error);
    if (shortage === undefined) settleStart(context, handle, failure, by);
    else settleRefused(context, handle, failure, shortage, by);
  });
  return failure;
}

function asStartFailure(context: Context, handle: Handle, error: unknown): IsthmusError {
  if (hasCode(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  context.log.error({ machine: handle.id, err: error }, "a start failed in an unforeseen way");
  const { name } = context.store.machine(handle.id).machine;
  return new IsthmusError("START_FAILED", { name, reason }, { cause: error });
}

/** Folder and output file: made when missing, kept otherwise, for a machine keeps its writable layer from run to run. */
async function prepare(context: Context, handle: Handle, signal: AbortSignal, progress: Progress): Promise<void> {
  const { crashpoint, folders, images, output, store } = context;
  const { machine, boot } = store.machine(handle.id);
  const began = performance.now();
  await images.resolve(machine.imageDigest);
  crashpoint("start.before-folder");
  if (boot.goesOnFrom?.from === "snapshot") await layOutClone(context, store.machine(handle.id), boot.goesOnFrom.id);
  else if (!(await folders.has(handle.id))) {
    progress.prepared = await claim(context, handle);
    if (progress.prepared === undefined) await folders.create(handle.id);
  }
  await folders.createSocketFolder(handle.id);
  crashpoint("start.after-folder");
  signal.throwIfAborted();
  if (boot.goesOnFrom === undefined) await layOutMounts(context, store.machine(handle.id));
  const hasDisk = progress.prepared === undefined && (await folders.hasDisk(handle.id));
  progress.newDisk = machine.spec.readOnly !== true && !hasDisk && boot.goesOnFrom === undefined;
  crashpoint("start.before-prepare");
  const bootOffset = await output.prepare(folders.outputPath(handle.id));
  crashpoint("start.after-prepare");
  note(progress, "prepare", began);
  await handle.queue.internal(() => {
    signal.throwIfAborted();
    const lostDisk = progress.newDisk && machine.startedAt !== undefined;
    writeStarting(context, handle, bootOffset, lostDisk ? [LOST_DISK] : []);
  });
}

async function layOutMounts(context: Context, record: MachineRecord): Promise<void> {
  const { folders, volumes } = context;
  const { machine } = record;
  await layOutBinds(context, record);
  for (const { name, readOnly, index } of volumesOf(machine.spec))
    if (readOnly && volumes !== undefined) await folders.createVolumeOverlay(machine.id, index, volumes.get(name).sizeBytes);
}

/** A clone from a pool; its folders, disk and all, are the machine's from here on. */
async function claim(context: Context, handle: Handle): Promise<PreparedClone | undefined> {
  const record = context.store.machine(handle.id);
  return await context.pools?.claim(engineOf(context, record), planOf(context, record));
}

const LOST_DISK = "the file of its disk was missing when it started again: what it had written is gone, and it has an empty disk";

function writeStarting(context: Context, handle: Handle, bootOffset: number, news: readonly string[]): void {
  const notes = [...new Set([...(context.store.machine(handle.id).boot.notes ?? []), ...news])];
  const { goesOnFrom, bootOffset: earlier, startedMs } = context.store.machine(handle.id).boot;
  // What a machine wrote before it was suspended is of the same run.
  const kept = goesOnFrom?.from === "suspension";
  const boot = {
    bootOffset: kept ? earlier : bootOffset,
    startedMs: kept ? startedMs : undefined,
    hostBootId: context.capacity.bootId(),
    notes,
  };
  // Who comes second finds the first one starting.
  checkVolumes(context, context.store.machine(handle.id));
  context.crashpoint("start.before-starting");
  if (context.store.machine(handle.id).machine.state === "starting") amend(context, handle, { boot });
  else become(context, handle, "starting", { boot });
  context.crashpoint("start.after-starting");
}

async function spawn(context: Context, handle: Handle, signal: AbortSignal, progress: Progress): Promise<Begun> {
  const record = context.store.machine(handle.id);
  await bringUpNetworks(context, record, progress);
  signal.throwIfAborted();
  if (record.boot.goesOnFrom !== undefined) return await goOn(context, record, record.boot.goesOnFrom, signal);
  const { templates, log } = context;
  const { prepared } = progress;
  context.crashpoint("start.before-engine");
  const newDisk = progress.newDisk ? (copyOf?: string) => makeDisk(context, record, progress, copyOf) : undefined;
  const fork = (key: string, plan: StartPlan) => context.pools?.fork(key, plan) ?? Promise.resolve(undefined);
  const { imageDigest } = record.machine;
  const parts = { engine: engineOf(context, record), templates, imageDigest, prepared, fork, newDisk, log };
  const begun = await begin(parts, planOf(context, record), signal);
  context.crashpoint("start.after-engine");
  return begun;
}

async function bringUpNetworks(context: Context, record: MachineRecord, progress: Progress): Promise<void> {
  const { machine } = record;
  if (machine.spec.network !== "bridge") return;
  requireNetworks(context);
  const began = performance.now();
  const { networks = [] } = machine.spec;
  for (const { network } of networks) await context.networks?.bringUp(network);
  if (networks.length === 0) await context.networks?.park(machine.id);
  await publishPorts(context, handleOf(context, machine.id), record);
  note(progress, "network", began);
}

async function makeDisk({ crashpoint, folders }: Context, { machine }: MachineRecord, progress: Progress, copyOf?: string): Promise<void> {
  const began = performance.now();
  crashpoint("start.before-disk");
  await folders.createDisk(machine.id, machine.spec.diskBytes ?? 0, copyOf);
  crashpoint("start.after-disk");
  note(progress, "disk", began);
}

function note(progress: Progress, step: string, since: number): void {
  progress.timings[step] = Math.round((performance.now() - since) * 10) / 10;
}
