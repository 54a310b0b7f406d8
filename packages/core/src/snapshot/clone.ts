import { type CloneSpec, IsthmusError, limits, type Machine, type MachineSpec, type PublishedPort } from "@isthmus/contract";
import type { CloneSource, WaitOptions } from "../machine/actions.ts";
import { type Context, checkOpen, find } from "../machine/context.ts";
import { admitNew, freeId, insertMachine, requireFreeName } from "../machine/lifecycle/create.ts";
import { removeMachine } from "../machine/lifecycle/remove.ts";
import { wanted } from "../machine/lifecycle/start.ts";
import type { MachineRecord } from "../machine/ports.ts";
import { started } from "../machine/reading/wait.ts";
import { checkName, makeName } from "../machine/spec/names.ts";
import { resolvePublishing } from "../machine/spec/publishing.ts";
import { defaultHostname } from "../machine/spec/resolve-spec.ts";
import { placed, withoutAddresses } from "../network/attach.ts";
import type { SnapshotRecord } from "./ports.ts";
import { captured, capturing, recordOf, refuseMounts, snapshotsOf } from "./take.ts";
import { checkUsable } from "./usable.ts";

/** See `Machines.clone`. All that can be refused is refused before anything is saved. */
export async function cloneFrom(context: Context, source: CloneSource, spec: CloneSpec, options: WaitOptions): Promise<readonly Machine[]> {
  checkOpen(context);
  const count = countOf(spec);
  const names = namesOf(context, spec, count);
  checkPorts(spec, count);
  if ("snapshot" in source) {
    const record = await snapshotsOf(context).get(source.snapshot);
    await checkUsable(context, record);
    return await makeClones(context, record, { spec, names, from: record.snapshot.name, signal: options.signal });
  }
  const { handle, record } = find(context, source.machine);
  await handle.ready;
  refuseMounts(record, "clone");
  await snapshotsOf(context).load();
  return await withPassingSnapshot(context, handle.id, (passing) =>
    makeClones(context, passing, { spec, names, from: record.machine.name, signal: options.signal }),
  );
}

function countOf({ count = 1 }: CloneSpec): number {
  if (Number.isInteger(count) && count >= 1 && count <= limits.clonesPerRequest) return count;
  throw new IsthmusError("INVALID_REQUEST", {
    field: "count",
    value: count,
    reason: `it must be a whole number from 1 to ${limits.clonesPerRequest}`,
  });
}

/** A name for each, or undefined where one is made up. Throws INVALID_NAME, NAME_TAKEN. */
function namesOf(context: Context, { name }: CloneSpec, count: number): readonly (string | undefined)[] {
  const names = Array.from({ length: count }, (_, index) => (name === undefined || count === 1 ? name : `${name}-${index + 1}`));
  for (const one of names) if (one !== undefined) requireFreeName(context, one);
  return names;
}

/** Throws INVALID_REQUEST where two clones would want the same host port. */
function checkPorts({ ports }: CloneSpec, count: number): void {
  const fixed = ports?.findIndex(({ host }) => host !== 0) ?? -1;
  if (count === 1 || fixed < 0) return;
  const reason = "only one of several clones can have this host port; leave it to be a free one (0)";
  throw new IsthmusError("INVALID_REQUEST", { field: `ports[${fixed}].host`, value: ports?.[fixed]?.host, reason });
}

/** A snapshot without a name that is gone when `use` is over: the clones have all they need by then. */
async function withPassingSnapshot<T>(context: Context, id: string, use: (passing: SnapshotRecord) => Promise<T>): Promise<T> {
  const snapshots = snapshotsOf(context);
  const { handle } = find(context, id);
  const passing = await capturing(context, handle, "clone", async (record, live) => {
    const { folder, facts } = await captured(snapshots, live, context.closing.signal);
    return { record: recordOf(context, record, "", facts), folder };
  });
  const release = snapshots.pass(passing.record, passing.folder);
  try {
    return await use(passing.record);
  } finally {
    await release();
  }
}

interface Wish {
  readonly spec: CloneSpec;
  readonly names: readonly (string | undefined)[];
  readonly from: string;
  readonly signal?: AbortSignal;
}

async function makeClones(context: Context, source: SnapshotRecord, wish: Wish): Promise<readonly Machine[]> {
  const made: MachineRecord[] = [];
  try {
    context.crashpoint("clone.before-inserts");
    for (const name of wish.names) made.push(insertClone(context, source, name, wish));
    context.crashpoint("clone.after-inserts");
    return await Promise.all(made.map((record) => startedClone(context, record, wish.signal)));
  } catch (error) {
    await Promise.allSettled(made.map((record) => removeClone(context, record)));
    throw error;
  }
}

async function startedClone(context: Context, record: MachineRecord, signal: AbortSignal | undefined): Promise<Machine> {
  const { handle } = find(context, record.machine.id);
  if (handle.start) return await started(context, handle.start, signal);
  return context.store.machine(handle.id).machine;
}

async function removeClone(context: Context, record: MachineRecord): Promise<void> {
  await removeMachine(context, find(context, record.machine.id).handle, { force: true });
}

/** Throws NAME_TAKEN, NO_CAPACITY, TOO_MANY_REQUESTS. */
function insertClone(context: Context, source: SnapshotRecord, wantedName: string | undefined, { spec: asked, from }: Wish): MachineRecord {
  const id = freeId(context);
  const name = wantedName ?? makeName((candidate) => context.store.nameHolder(candidate) !== undefined);
  checkName(name);
  const spec = placed(context, withoutAddresses(specOf(source.snapshot.spec, asked, id, name)));
  const { imageDigest } = source.snapshot;
  const machine: Machine = {
    id,
    name,
    state: "queued",
    spec,
    imageDigest,
    argv: [...source.argv],
    isolation: "microvm",
    engine: engineName(context),
    clonedFrom: from,
    ports: [],
    createdAt: new Date(context.clock.now()).toISOString(),
    restarts: 0,
    notes: [],
    timings: {},
  };
  const { workload, rootfsPath, stopSignal } = source;
  const overlay = spec.readOnly === true ? {} : { overlay: true as const };
  const goesOnFrom = { from: "snapshot", id: source.snapshot.id } as const;
  const boot = {
    bootOffset: 0,
    attempts: 0,
    workload,
    rootfsPath,
    stopSignal,
    ...overlay,
    goesOnFrom,
    ...wanted,
    ...context.admitting.queued(spec, "user"),
  };
  admitNew(context, { machine, boot });
  return insertMachine(context, { machine, boot }, { clonedFrom: from }).record;
}

/** The engine that saves guests: today there is one. */
function engineName(context: Context): string {
  return context.engines.find(({ saving }) => saving !== undefined)?.name ?? "";
}

function specOf(original: MachineSpec, asked: CloneSpec, id: string, name: string): MachineSpec {
  const { ports } = resolvePublishing({ image: original.image, network: original.network, ports: portsOf(original, asked) });
  if (ports.length > 0 && original.network !== "user" && original.network !== "bridge") {
    const reason = "the original has no network, and a clone has the devices of its original";
    throw new IsthmusError("INVALID_REQUEST", { field: "ports", value: `${ports.length} ports`, reason });
  }
  const autoRemove = asked.autoRemove ?? original.autoRemove ?? false;
  return { ...original, name, hostname: defaultHostname(id), ports: [...ports], autoRemove };
}

/** A host port that the original has cannot be the clone's too, so it gets a free one. */
function portsOf(original: MachineSpec, asked: CloneSpec): PublishedPort[] {
  return asked.ports ?? (original.ports ?? []).map((port) => ({ ...port, host: 0 }));
}
