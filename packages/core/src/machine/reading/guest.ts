import { type ExecSpec, IsthmusError, type MachineAction, type MachineProcess, type MachineStats } from "@isthmus/contract";
import { type Context, find, waitingSignal } from "../context.ts";
import type { Handle } from "../handle.ts";
import { allow } from "../lifecycle/transition.ts";
import type { GuestStream, LiveMachine, MachineRecord, WorkloadInput } from "../ports.ts";
import { checkExec } from "../spec/workload.ts";

/** What goes straight to the guest, past the state queue: a slow stop never holds up a look inside. */
export async function reachGuest(
  context: Context,
  ref: string,
  action: MachineAction,
): Promise<{ readonly record: MachineRecord; readonly live: LiveMachine; readonly handle: Handle }> {
  const { handle } = find(context, ref);
  await handle.ready;
  const record = context.store.machine(handle.id);
  allow(action, record);
  handle.lastUsedMs = context.clock.now();
  return { record, handle, live: liveOf(handle, record) };
}

/** The machine is in use until `over` settles. */
export function inUse(context: Context, handle: Handle, over: Promise<unknown>): void {
  handle.sessions += 1;
  const done = () => {
    handle.sessions -= 1;
    handle.lastUsedMs = context.clock.now();
  };
  over.then(done, done);
}

function liveOf(handle: Handle, record: MachineRecord): LiveMachine {
  if (handle.live) return handle.live;
  throw new IsthmusError("AGENT_UNREACHABLE", { name: record.machine.name, reason: "it has not answered since the daemon started" });
}

export async function execIn(context: Context, ref: string, spec: ExecSpec): Promise<GuestStream> {
  checkExec(spec);
  const { live, record, handle } = await reachGuest(context, ref, "exec");
  const { workload } = record.boot;
  const secretEnv = Object.keys(record.machine.spec.secretEnv ?? {}).length > 0 ? context.secrets.deliver(record.machine.spec).env : [];
  const stream = await live.exec(spec, { ...workload, env: [...workload.env, ...secretEnv] });
  inUse(context, handle, stream.exit);
  return stream;
}

export async function attachTo(context: Context, ref: string, user: AbortSignal | undefined): Promise<WorkloadInput> {
  const { handle } = find(context, ref);
  await handle.ready;
  const first = context.store.machine(handle.id);
  allow("attach", first);
  if (!first.boot.workload.stdin) throw new IsthmusError("NOT_INTERACTIVE", { name: first.machine.name });
  const waiting = waitingSignal(context, user, `attaching to machine ${first.machine.name}`);
  try {
    const record = await handle.until(first, whenStarted(first), waiting.signal);
    // The commit that says "running" comes a moment before the live machine is held.
    await handle.queue.internal(() => undefined);
    const input = await liveOf(handle, record).attach();
    const left = Promise.withResolvers<void>();
    inUse(context, handle, left.promise);
    const close = () => {
      left.resolve();
      input.close();
    };
    return { ...input, close };
  } finally {
    waiting.done();
  }
}

function whenStarted(first: MachineRecord) {
  return (record: MachineRecord | undefined): MachineRecord | undefined => {
    if (record === undefined) throw new IsthmusError("MACHINE_NOT_FOUND", { ref: first.machine.name });
    if (record.machine.state === "queued" || record.machine.state === "starting") return undefined;
    allow("attach", record);
    return record;
  };
}

export async function processesOf(context: Context, ref: string): Promise<readonly MachineProcess[]> {
  const { live } = await reachGuest(context, ref, "exec");
  return await live.processes();
}

export async function statsOf(context: Context, ref: string): Promise<MachineStats> {
  const { live, record } = await reachGuest(context, ref, "stats");
  const stats = await live.stats();
  return { ...stats, id: record.machine.id, name: record.machine.name, time: new Date(context.clock.now()).toISOString() };
}
