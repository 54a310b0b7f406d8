import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { can, type FileChange, IsthmusError } from "@isthmus/contract";
import { tenantOf } from "../../licence/lease-events.ts";
import { checkVolumes } from "../../volume/claims.ts";
import { volumesOf } from "../../volume/mounts.ts";
import { LOOK_LINGER_MS } from "../config.ts";
import { type Context, find, planOf, sleep } from "../context.ts";
import type { Handle, StoppedLook } from "../handle.ts";
import { allow } from "../lifecycle/transition.ts";
import type { LiveMachine, MachineRecord, PathStat } from "../ports.ts";
import { inUse, reachGuest } from "./guest.ts";
import { endLook, lookInto } from "./look.ts";

/** Who has files of the machine in hand lets go of it. */
interface Reached {
  readonly live: LiveMachine;
  readonly until: (over: Promise<unknown>) => void;
}

export async function putInto(context: Context, ref: string, path: string, archive: Readable, signal?: AbortSignal): Promise<void> {
  const { live, until } = await reachFiles(context, ref);
  const put = live.putArchive(path, archive, { signal });
  until(put);
  await put;
}

export async function getFrom(context: Context, ref: string, path: string, signal?: AbortSignal): Promise<Readable> {
  const { live, until } = await reachFiles(context, ref);
  const opened = live.getArchive(path, signal);
  until(opened.then((archive) => finished(archive, { writable: false })));
  return await opened;
}

export async function statIn(context: Context, ref: string, path: string): Promise<PathStat> {
  const { live, until } = await reachFiles(context, ref);
  const stat = live.statPath(path);
  until(stat);
  return await stat;
}

/** See `Machines.changes`. */
export async function changesOf(context: Context, ref: string): Promise<readonly FileChange[]> {
  const { live, until } = await reachFiles(context, ref);
  const changes = live.changes();
  until(changes);
  return (await changes).filter(isMachines);
}

/** What the agent writes in every machine is no change of the machine's. */
const OURS = new Set(["/etc/hostname", "/etc/hosts", "/etc/machine-id", "/etc/resolv.conf", "/dev", "/proc", "/sys"]);

function isMachines({ path }: FileChange, _: number, all: readonly FileChange[]): boolean {
  if (path === "/etc") return all.some((other) => other.path.startsWith("/etc/") && !OURS.has(other.path));
  return !OURS.has(path);
}

/** The guest of a machine that runs, or one that is booted for a look at a stopped one's disk. Throws STATE_CONFLICT, VOLUME_IN_USE, START_FAILED. */
async function reachFiles(context: Context, ref: string): Promise<Reached> {
  const { handle } = find(context, ref);
  await handle.ready;
  const record = context.store.machine(handle.id);
  allow("copy", record);
  if (record.machine.state === "running") {
    const { live } = await reachGuest(context, ref, "copy");
    return { live, until: (over) => inUse(context, handle, over) };
  }
  const look = handle.look ?? openLook(context, handle, record);
  handle.look = look;
  look.users += 1;
  const done = () => {
    look.users -= 1;
  };
  const live = await look.live.catch((error: unknown) => {
    done();
    throw error;
  });
  return { live, until: (over) => void over.then(done, done) };
}

/** A job of the machine's queue: nothing else of its life happens meanwhile, and a start waits until nobody has copied for a moment. */
function openLook(context: Context, handle: Handle, { machine }: MachineRecord): StoppedLook {
  const { promise, resolve, reject } = Promise.withResolvers<LiveMachine>();
  const look: StoppedLook = { live: promise, users: 0 };
  const job = handle.queue.request(machine.name, async () => {
    const record = context.store.machine(handle.id);
    allow("copy", record);
    if (!can("remove", record.machine.state))
      throw new IsthmusError("AGENT_UNREACHABLE", { name: machine.name, reason: "it was started meanwhile" });
    await looking(context, handle, record, look, resolve);
  });
  job.catch((error: unknown) => reject(error)).finally(() => forget(handle, look));
  promise.catch(() => undefined);
  return look;
}

async function looking(
  context: Context,
  handle: Handle,
  record: MachineRecord,
  look: StoppedLook,
  ready: (live: LiveMachine) => void,
): Promise<void> {
  const { folders } = context;
  const { readOnly } = record.machine.spec;
  if (!(await folders.has(handle.id)) || (readOnly !== true && !(await folders.hasDisk(handle.id))))
    throw new IsthmusError("STATE_CONFLICT", {
      action: "copy",
      name: record.machine.name,
      state: "without a disk: it never ran",
      allowed: "running, exited",
      first: ` Start it first: isthmus start ${record.machine.name}`,
    });
  checkVolumes(context, record);
  const tenant = tenantOf(record.machine.spec);
  const held = volumesOf(record.machine.spec).map(({ name, readOnly: reads }) =>
    context.looks.begin(name, { what: `a copy with machine ${record.machine.name}`, writes: !reads, tenant }),
  );
  try {
    for (const { name, readOnly: reads, index } of volumesOf(record.machine.spec))
      if (reads && context.volumes !== undefined) await folders.createVolumeOverlay(handle.id, index, context.volumes.get(name).sizeBytes);
    const plan = planOf(context, record);
    // What a volume begins with is its first machine's to say.
    const volumes = plan.volumes.map(({ filled: _, ...volume }) => volume);
    const opened = await lookInto(context, { ...plan, network: "none", volumes, ownFolder: false }, context.closing.signal);
    ready(opened.live);
    try {
      do await Promise.race([sleep(context, LOOK_LINGER_MS), opened.live.ended]);
      while (look.users > 0 && !context.closing.signal.aborted);
      // Who comes from now on waits for another look.
      forget(handle, look);
    } finally {
      await endLook(context, opened);
    }
  } finally {
    for (const release of held) release();
  }
}

function forget(handle: Handle, look: StoppedLook): void {
  if (handle.look === look) handle.look = undefined;
}
