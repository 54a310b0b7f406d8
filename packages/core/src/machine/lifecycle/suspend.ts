import { IsthmusError, type Machine } from "@isthmus/contract";
import { refusalOf } from "../../snapshot/usable.ts";
import { bindsOf } from "../../volume/mounts.ts";
import type { Context } from "../context.ts";
import type { Handle, StartInProgress } from "../handle.ts";
import type { ContactWatch, LiveMachine, MachineRecord } from "../ports.ts";
import { endLive } from "./end.ts";
import { checkAdmission } from "./refused.ts";
import { launch, wanted } from "./start.ts";
import { allow, amend, become } from "./transition.ts";

/** why, when it is not a user who asked */
type SuspendReason = "idle" | "pressure";

/** See `Machines.suspend`. */
export async function suspendMachine(context: Context, handle: Handle, reason?: SuspendReason): Promise<Machine> {
  const { name } = context.store.machine(handle.id).machine;
  return await handle.queue.request(name, async () => {
    const record = context.store.machine(handle.id);
    allow("suspend", record);
    const [bind] = bindsOf(record.machine.spec);
    if (bind !== undefined) {
      const cause = `it has path ${bind.source} of the host at ${bind.path}, and open files of that cannot be saved`;
      throw new IsthmusError("MOUNTS_NOT_SAVED", { action: "suspend", name, reason: cause });
    }
    const { live } = handle;
    if (!live) throw new IsthmusError("AGENT_UNREACHABLE", { name, reason: "it has not answered since the daemon started" });
    const contact = await save(context, handle, live, reason === "pressure");
    const suspended = settleSuspended(context, handle, reason);
    handle.clearTimers();
    handle.live = undefined;
    context.crashpoint("suspend.before-kill");
    await endLive(context, handle, live);
    context.crashpoint("suspend.after-kill");
    await handle.unpublish();
    handle.release();
    context.awaitContact(handle, contact);
    clearAfter(context, handle, live);
    return suspended.machine;
  });
}

/** A job of its own: the removal of a file of the size of its memory takes time, for which who suspended does not wait. */
function clearAfter(context: Context, handle: Handle, live: LiveMachine): void {
  handle.queue
    .internal(() => live.clear())
    .catch((error: unknown) => context.log.warn({ machine: handle.id, err: error }, "could not remove what an engine process left"));
}

/** With its ports, where a contact is to resume it. */
async function save(context: Context, handle: Handle, live: LiveMachine, yielded: boolean): Promise<ContactWatch | undefined> {
  const { saved } = context.folders;
  context.crashpoint("suspend.before-mark");
  amend(context, handle, { boot: { suspending: true, ...(yielded ? { yielded } : {}) } });
  context.crashpoint("suspend.before-capture");
  const contact = await context.takeContact(handle, live);
  try {
    const folder = await saved.begin(handle.id);
    const facts = await live.capture({ folder, goOn: false }, context.closing.signal);
    context.crashpoint("suspend.after-capture");
    await saved.commit(handle.id, facts);
    context.crashpoint("suspend.after-commit");
    return contact;
  } catch (error) {
    await undoSuspension(context, handle, live);
    // It has its ports, and gets what came meanwhile.
    await contact?.free();
    contact?.pass();
    throw error;
  }
}

/** The machine goes on as if nobody had asked. Also for a suspension in which an earlier daemon died. */
export async function undoSuspension(context: Context, handle: Handle, live: LiveMachine): Promise<void> {
  // What was saved goes first: once the guest goes on, it no longer fits its disk.
  await context.folders.saved.remove(handle.id);
  if (live.paused)
    await live.unpause().catch((error: unknown) => context.log.warn({ machine: handle.id, err: error }, "could not let a guest go on"));
  amend(context, handle, { boot: { suspending: undefined, yielded: undefined } });
}

export function settleSuspended(context: Context, handle: Handle, reason?: SuspendReason): MachineRecord {
  context.crashpoint("suspend.before-suspended");
  const settled = become(context, handle, "suspended", {
    machine: { pid: undefined, suspendedAt: new Date(context.clock.now()).toISOString(), failure: undefined },
    boot: { suspending: undefined, goesOnFrom: { from: "suspension" } },
    details: reason === undefined ? {} : { reason },
  });
  context.crashpoint("suspend.after-suspended");
  return settled;
}

/** Resolves when the resume is under way, with its promise. Pressure keeps a user's from beginning, not one that the host itself wants. */
export function requestResume(context: Context, handle: Handle, by: "user" | "host"): Promise<StartInProgress> {
  const { name } = context.store.machine(handle.id).machine;
  return handle.queue.request(name, async () => {
    const record = context.store.machine(handle.id);
    allow("resume", record);
    await checkSaved(context, record);
    const asked = context.admitting.queued(record.machine.spec, "resume");
    checkAdmission(context, handle, asked, by === "user");
    handle.clearTimers();
    handle.lastUsedMs = context.clock.now();
    context.crashpoint("resume.before-queued");
    become(context, handle, "queued", { machine: { failure: undefined }, boot: { ...wanted, ...asked } }, "resuming");
    context.crashpoint("resume.after-queued");
    return launch(context, handle, "user");
  });
}

/** Throws SNAPSHOT_UNUSABLE. */
async function checkSaved(context: Context, { machine }: MachineRecord): Promise<void> {
  const found = await context.folders.saved.load(machine.id);
  const reason = found === undefined ? "its files are gone" : await refusalOf(context, found.facts.parts);
  if (reason !== undefined) throw new IsthmusError("SNAPSHOT_UNUSABLE", { name: machine.name, reason });
}

/** A suspension in which the daemon died, of a machine that is gone: it is suspended when all of it was saved. True when it is so. A job of the state queue. */
export async function finishSuspension(context: Context, handle: Handle, record: MachineRecord): Promise<boolean> {
  if (record.boot.suspending !== true) return false;
  if ((await context.folders.saved.load(handle.id)) === undefined) {
    await context.folders.saved.remove(handle.id);
    return false;
  }
  settleSuspended(context, handle);
  return true;
}
