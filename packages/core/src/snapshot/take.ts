import { randomBytes } from "node:crypto";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { type Context, waitingSignal } from "../machine/context.ts";
import type { Handle } from "../machine/handle.ts";
import { allow } from "../machine/lifecycle/transition.ts";
import type { LiveMachine, MachineRecord } from "../machine/ports.ts";
import { checkName, makeName } from "../machine/spec/names.ts";
import { SNAPSHOT_ID_BYTES } from "./config.ts";
import type { SnapshotRecord } from "./ports.ts";
import type { CaptureFacts } from "./saved.ts";
import type { Snapshots } from "./snapshots.ts";

/** A snapshot of a running machine under a name. Throws as `SnapshotActions.create`. */
export async function takeSnapshot(
  context: Context,
  handle: Handle,
  wanted: { readonly name?: string; readonly signal?: AbortSignal },
): Promise<SnapshotRecord> {
  const snapshots = snapshotsOf(context);
  await snapshots.load();
  if (wanted.name !== undefined) checkName(wanted.name);
  const name = wanted.name ?? makeName((candidate) => snapshots.has(candidate));
  const held = snapshots.reserve(name);
  const { machine } = context.store.machine(handle.id);
  const waiting = waitingSignal(context, wanted.signal, `the snapshot of ${machine.name}`);
  try {
    return await capturing(context, handle, "snapshot", async (record, live) => {
      const { folder, facts } = await captured(snapshots, live, waiting.signal);
      const taken = recordOf(context, record, name, facts);
      context.crashpoint("snapshot.before-commit");
      await snapshots.commit(folder, taken).catch(async (error: unknown) => {
        await snapshots.folders.discard(folder);
        throw error;
      });
      context.crashpoint("snapshot.after-commit");
      const { id: snapshot, sizeBytes, pausedMs } = taken.snapshot;
      context.store.appendEvents([
        { type: "snapshot.created", machineId: handle.id, machineName: machine.name, details: { snapshot, name, sizeBytes, pausedMs } },
      ]);
      return taken;
    });
  } finally {
    waiting.done();
    held.release();
  }
}

export function snapshotsOf(context: Context): Snapshots {
  if (context.snapshots === undefined) throw new IsthmusError("INTERNAL", { reason: "this daemon has no place for snapshots" });
  return context.snapshots;
}

/** A job of the machine's queue that saves it; one at a time, and nothing else of its life happens meanwhile. Throws MACHINE_BUSY, STATE_CONFLICT, AGENT_UNREACHABLE. */
export async function capturing<T>(
  context: Context,
  handle: Handle,
  action: "snapshot" | "clone",
  job: (record: MachineRecord, live: LiveMachine) => Promise<T>,
): Promise<T> {
  const { name } = context.store.machine(handle.id).machine;
  return await handle.queue.request(name, async () => {
    const record = context.store.machine(handle.id);
    allow(action, record);
    refuseMounts(record, action);
    if (!handle.live) throw new IsthmusError("AGENT_UNREACHABLE", { name, reason: "it has not answered since the daemon started" });
    return await job(record, handle.live);
  });
}

/** A guest saved in a new folder, which is gone again when that fails. */
export async function captured(
  snapshots: Snapshots,
  live: LiveMachine,
  signal: AbortSignal,
): Promise<{ readonly folder: string; readonly facts: CaptureFacts }> {
  const folder = await snapshots.folders.begin();
  try {
    return { folder, facts: await live.capture({ folder, goOn: true }, signal) };
  } catch (error) {
    await snapshots.folders.discard(folder);
    throw hasCode(error, "CANCELLED") && signal.reason instanceof IsthmusError ? signal.reason : error;
  }
}

/** A snapshot holds memory and disk of a machine: memory that knows of a volume as it was then would ruin what that has become since. Throws MOUNTS_NOT_SAVED. */
export function refuseMounts({ machine }: MachineRecord, action: "snapshot" | "clone"): void {
  const [mount] = machine.spec.mounts ?? [];
  if (mount === undefined) return;
  const what = mount.type === "bind" ? `path ${mount.source} of the host` : `volume ${mount.source}`;
  const reason = `no snapshot holds what is in ${what}, mounted at ${mount.path}, and its memory fits no other state of it`;
  throw new IsthmusError("MOUNTS_NOT_SAVED", { action, name: machine.name, reason });
}

export function recordOf(context: Context, { machine, boot }: MachineRecord, name: string, facts: CaptureFacts): SnapshotRecord {
  const { imageDigest, spec, argv } = machine;
  const { accelerator, sizeBytes, pausedMs, parts } = facts;
  return {
    snapshot: {
      id: randomBytes(SNAPSHOT_ID_BYTES).toString("hex"),
      name,
      machineId: machine.id,
      machineName: machine.name,
      imageDigest,
      spec,
      engine: String(parts.engine ?? machine.engine),
      accelerator,
      sizeBytes,
      pausedMs,
      createdAt: new Date(context.clock.now()).toISOString(),
    },
    facts,
    argv,
    workload: boot.workload,
    rootfsPath: boot.rootfsPath,
    stopSignal: boot.stopSignal,
  };
}
