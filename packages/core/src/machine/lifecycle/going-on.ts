import { hasCode, IsthmusError } from "@isthmus/contract";
import type { SavedGuest } from "../../snapshot/saved.ts";
import { snapshotsOf } from "../../snapshot/take.ts";
import type { Begun } from "../../template/starting.ts";
import { type Context, engineOf, planOf } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { MachineRecord, SavedSource } from "../ports.ts";
import { become } from "./transition.ts";

/** The start of a machine that goes on from a saved guest. Throws SNAPSHOT_UNUSABLE, SNAPSHOT_NOT_FOUND and what `Engine.start` throws. */
export async function goOn(context: Context, record: MachineRecord, source: SavedSource, signal: AbortSignal): Promise<Begun> {
  const { saving } = engineOf(context, record);
  if (saving === undefined) throw new IsthmusError("ISOLATION_UNAVAILABLE", { isolation: record.machine.isolation });
  const guest = source.from === "suspension" ? await suspendedGuest(context, record) : await snapshotGuest(context, source.id);
  context.crashpoint("start.before-engine");
  const live = await saving.restore(planOf(context, record), guest, signal);
  context.crashpoint("start.after-engine");
  return { live, startedFrom: source.from, notes: [] };
}

async function suspendedGuest(context: Context, record: MachineRecord): Promise<SavedGuest> {
  const found = await context.folders.saved.load(record.machine.id);
  if (found === undefined)
    throw new IsthmusError("SNAPSHOT_UNUSABLE", { name: record.machine.name, reason: "its guest went on once already and ended" });
  const { folder, facts } = found;
  return {
    folder,
    parts: facts.parts,
    newIdentity: false,
    beforePorts: () => freePorts(context, record),
    before: () => useSaved(context, record),
  };
}

async function snapshotGuest(context: Context, id: string): Promise<SavedGuest> {
  const { folder, record } = await snapshotsOf(context).saved(id);
  return { folder, parts: record.facts.parts, newIdentity: true };
}

async function freePorts(context: Context, { machine }: MachineRecord): Promise<void> {
  await context.handles.get(machine.id)?.contact?.free();
}

/** Ahead of the moment at which a suspended guest goes on; does nothing for other starts. */
export async function useSaved(context: Context, { machine, boot }: MachineRecord): Promise<void> {
  if (boot.goesOnFrom?.from !== "suspension") return;
  context.crashpoint("resume.before-use");
  await context.folders.saved.use(machine.id);
  context.crashpoint("resume.after-use");
}

/** Folder and disk of a clone, as the snapshot has it also when an earlier try had begun to write to it. Throws SNAPSHOT_NOT_FOUND, DISK_FULL. */
export async function layOutClone(context: Context, record: MachineRecord, snapshot: string): Promise<void> {
  const { folders } = context;
  const { id, spec } = record.machine;
  const { diskPath } = await snapshotsOf(context).saved(snapshot);
  if (!(await folders.has(id))) await folders.create(id);
  if (spec.readOnly !== true) await folders.createOverlay(id, diskPath, spec.diskBytes ?? 0);
}

/** A resume that came to nothing before its guest went on: the machine is as it was. True when it is so. A job of the state queue. */
export async function backToSuspended(context: Context, handle: Handle, failure: IsthmusError): Promise<boolean> {
  const { boot } = context.store.machine(handle.id);
  if (boot.goesOnFrom?.from !== "suspension" || (await context.folders.saved.load(handle.id)) === undefined) return false;
  const { code, message, remedy } = failure;
  become(context, handle, "suspended", {
    machine: { failure: hasCode(failure, "CANCELLED") ? undefined : { code, message, remedy }, pid: undefined },
    boot: { desired: "running", endReason: undefined },
    details: { code, message },
  });
  context.awaitContact(handle);
  return true;
}

/** The machine runs: what it was suspended to is of no more use. */
export function forgetSaved(context: Context, handle: Handle): void {
  context.folders.saved
    .remove(handle.id)
    .catch((error: unknown) =>
      context.log.warn({ machine: handle.id, err: error }, "the saved state of a machine that was resumed is left behind"),
    );
}
