import { IsthmusError, type Machine } from "@isthmus/contract";
import { createContentionActions } from "../contention/actions.ts";
import { createLicenceActions } from "../licence/actions.ts";
import { Licences } from "../licence/licences.ts";
import { createNetworkActions } from "../network/create-actions.ts";
import { Networks } from "../network/networks.ts";
import { createQuotaActions, type QuotaActions } from "../quota/actions.ts";
import { noBox, Secrets } from "../secret/secrets.ts";
import { cloneFrom } from "../snapshot/clone.ts";
import { createSnapshotActions } from "../snapshot/create-actions.ts";
import { Snapshots } from "../snapshot/snapshots.ts";
import { createTemplateActions } from "../template/actions.ts";
import { Pools } from "../template/pools.ts";
import { createVolumeActions } from "../volume/create-actions.ts";
import { Looks } from "../volume/looks.ts";
import { countedVolumes, usedBy } from "../volume/quota.ts";
import type { Machines } from "./actions.ts";
import { admittingOf } from "./admitting/admission-parts.ts";
import type { Admitting } from "./admitting/admitting.ts";
import { Leases } from "./admitting/leases.ts";
import { CLOSE_GRACE_MS } from "./config.ts";
import { type Context, checkOpen, find, sleep } from "./context.ts";
import type { Handle } from "./handle.ts";
import { hostStatus } from "./host-status.ts";
import { adoptAll } from "./lifecycle/adopt.ts";
import { armContact, awaitContact, takeContact } from "./lifecycle/contact.ts";
import { createMachine } from "./lifecycle/create.ts";
import { watchIdleness } from "./lifecycle/idle.ts";
import { removeMachine } from "./lifecycle/remove.ts";
import { renameMachine } from "./lifecycle/rename.ts";
import { grantLease, launch, requestStart } from "./lifecycle/start.ts";
import { ended, requestKill, requestStop } from "./lifecycle/stop.ts";
import { requestResume, suspendMachine } from "./lifecycle/suspend.ts";
import { allow, become } from "./lifecycle/transition.ts";
import { updateMachine } from "./lifecycle/update.ts";
import type { MachinesParts } from "./machines-parts.ts";
import { readEvents } from "./reading/event-log.ts";
import { attachTo, execIn, processesOf, statsOf } from "./reading/guest.ts";
import { listMachines, sizesOf } from "./reading/list.ts";
import { readLogs } from "./reading/logs.ts";
import { createRemovedExits } from "./reading/removed-exits.ts";
import { changesOf, getFrom, putInto, statIn } from "./reading/stopped-files.ts";
import { started, startedEarlier, waitFor } from "./reading/wait.ts";
import { why } from "./reading/why.ts";
import { requireSignal } from "./spec/resolve-spec.ts";
import { Turns } from "./turns.ts";

export function createMachines(parts: MachinesParts): Machines {
  const leases = new Leases(parts.store);
  const licences = new Licences(parts);
  const secrets = new Secrets({ ...parts, box: parts.secretBox ?? noBox });
  const admitting = admittingOf(parts, leases, licences, {
    grant: (request, seats) => grantLease(context, request, seats),
    volumeBytes: (tenant) => context.volumes?.promisedBytes(tenant) ?? 0,
  });
  const closing = new AbortController();
  const context: Context = {
    ...parts,
    crashpoint: parts.crashpoint ?? (() => {}),
    admitting,
    leases,
    turns: new Turns(),
    secrets,
    licences,
    pools: poolsOf(parts, admitting),
    snapshots: parts.snapshotFolders && new Snapshots(parts.snapshotFolders),
    volumes: parts.volumeFolders && countedVolumes(parts.volumeFolders, () => context),
    networks: parts.networkHost && new Networks(parts.networkHost, { ...parts, closing }),
    looks: new Looks(),
    swept: Promise.withResolvers(),
    handles: new Map(),
    removedExits: createRemovedExits(),
    removals: new Map(),
    contention: {},
    launch: (handle, by) => launch(context, handle, by),
    watchIdleness: (handle, live, idleMs) => watchIdleness(context, handle, live, idleMs),
    awaitContact: (handle, taken) => (taken === undefined ? awaitContact(context, handle) : armContact(context, handle, taken)),
    takeContact: (handle, live) => takeContact(context, handle, live),
    closing,
  };
  const templates = createTemplateActions({ ...context, checkOpen: () => checkOpen(context) });
  return {
    templates,
    snapshots: createSnapshotActions(context),
    volumes: createVolumeActions(context),
    networks: createNetworkActions(context),
    quotas: quotasOf(context),
    secrets,
    host: hostOf(context, parts),
    contention: createContentionActions(context),
    licences: createLicenceActions({ ...context, checkOpen: () => checkOpen(context) }),
    ...lifecycle(context),
    ...saving(context),
    ...reading(context),
    ...guest(context),
    ...daemon(context),
  };
}

function poolsOf({ places, templates, clock, capacity, log, pools }: MachinesParts, admitting: Admitting): Pools | undefined {
  if (places === undefined || templates === undefined) return undefined;
  return new Pools({ places, templates, clock, capacity, log, busy: () => admitting.inFlight > 0, settings: pools });
}

function quotasOf(context: Context): QuotaActions {
  const { store, clock, leases, admitting, volumes } = context;
  return createQuotaActions({
    store,
    used: () => usedBy(context),
    now: () => clock.now(),
    tenants: () => [...leases.tenants(), ...(volumes?.tenants() ?? [])],
    changed: () => admitting.quotasChanged(),
  });
}

function hostOf(context: Context, { measures = () => [] }: MachinesParts): Machines["host"] {
  return { status: () => hostStatus(context, measures()), census: () => context.leases.census() };
}

/** The handle of what a user names, once the machine has its verdict after a start of the daemon. */
async function settled(context: Context, ref: string): Promise<Handle> {
  const { handle } = find(context, ref);
  await handle.ready;
  return handle;
}

type Lifecycle = Pick<Machines, "create" | "start" | "stop" | "kill" | "pause" | "unpause" | "rename" | "update" | "remove">;

function lifecycle(context: Context): Lifecycle {
  return {
    async create(spec, options = {}) {
      const { handle, record, repeated } = await createMachine(context, spec, options);
      options.onCreated?.(handle.id);
      if (options.start !== true) return record.machine;
      if (handle.start && !repeated) return await started(context, handle.start, options.signal);
      await handle.ready;
      return await startedEarlier(context, handle, context.store.machine(handle.id), options.signal);
    },
    async start(ref, options = {}) {
      const handle = await settled(context, ref);
      const { name } = context.store.machine(handle.id).machine;
      return await started(context, await requestStart(context, handle, name), options.signal);
    },
    async stop(ref, options = {}) {
      const signal = options.stopSignal === undefined ? undefined : requireSignal(options.stopSignal, "signal");
      const handle = await settled(context, ref);
      const record = await requestStop(context, handle, { signal, timeoutMs: options.timeoutMs });
      return await ended(context, handle, record, options.signal);
    },
    async kill(ref, signalText = "SIGKILL") {
      const signal = requireSignal(signalText, "signal");
      const handle = await settled(context, ref);
      const record = await requestKill(context, handle, signal);
      return signal === 9 ? await ended(context, handle, record) : record.machine;
    },
    pause: (ref) => pauseOrUnpause(context, ref, "pause"),
    unpause: (ref) => pauseOrUnpause(context, ref, "unpause"),
    update: async (ref, change) => await updateMachine(context, await settled(context, ref), change),
    rename: async (ref, name) => await renameMachine(context, await settled(context, ref), name),
    async remove(ref, options = {}) {
      await removeMachine(context, await settled(context, ref), options);
    },
  };
}

function saving(context: Context): Pick<Machines, "suspend" | "resume" | "clone"> {
  return {
    suspend: async (ref) => await suspendMachine(context, await settled(context, ref)),
    async resume(ref, options = {}) {
      return await started(context, await requestResume(context, await settled(context, ref), "user"), options.signal);
    },
    clone: (source, spec = {}, options = {}) => cloneFrom(context, source, spec, options),
  };
}

async function pauseOrUnpause(context: Context, ref: string, action: "pause" | "unpause"): Promise<Machine> {
  const handle = await settled(context, ref);
  const { name } = context.store.machine(handle.id).machine;
  return await handle.queue.request(name, async () => {
    allow(action, context.store.machine(handle.id));
    const { live } = handle;
    if (!live) throw new IsthmusError("AGENT_UNREACHABLE", { name, reason: "it has not answered since the daemon started" });
    if (action === "pause") await live.pause();
    else await live.unpause();
    // What the engine has done is written down; a crash in between is found out when the machine is taken up.
    return become(context, handle, action === "pause" ? "paused" : "running", {}, `${action}d`).machine;
  });
}

function reading(
  context: Context,
): Pick<Machines, "get" | "why" | "list" | "sizes" | "counts" | "imageHolder" | "wait" | "logs" | "events"> {
  return {
    get: (ref, tenant) => withHealth(context, context.store.machine(ref, tenant).machine),
    why: (ref) => why(context, context.store.machine(ref)),
    sizes: () => sizesOf(context),
    list: (query) => listMachines(context, query),
    counts: (tenant) => context.store.counts(tenant),
    imageHolder: (digest) => context.store.imageHolder(digest) ?? context.snapshots?.imageHolder(digest),
    wait: (ref, condition = "exited", signal, tenant) => waitFor(context, ref, condition, signal, tenant),
    logs: (ref, options) => readLogs(context, ref, options),
    events: (options) => readEvents(context, options),
  };
}

/** With the checks that were not written down. */
function withHealth(context: Context, machine: Machine): Machine {
  const known = context.handles.get(machine.id)?.health;
  return known === undefined || machine.health === undefined || machine.state !== "running" ? machine : { ...machine, health: known };
}

type Guest = Pick<Machines, "exec" | "attach" | "stats" | "processes" | "changes" | "putArchive" | "getArchive" | "statPath">;

function guest(context: Context): Guest {
  return {
    exec: (ref, spec) => execIn(context, ref, spec),
    attach: (ref, signal) => attachTo(context, ref, signal),
    stats: (ref) => statsOf(context, ref),
    processes: (ref) => processesOf(context, ref),
    changes: (ref) => changesOf(context, ref),
    putArchive: (ref, path, archive, signal) => putInto(context, ref, path, archive, signal),
    getArchive: (ref, path, signal) => getFrom(context, ref, path, signal),
    statPath: (ref, path) => statIn(context, ref, path),
  };
}

function daemon(context: Context): Pick<Machines, "adoptAll" | "close"> {
  return {
    adoptAll() {
      checkOpen(context);
      return adoptAll(context);
    },
    async close() {
      context.admitting.close();
      context.closing.abort();
      await Promise.race([startsOver(context), sleep(context, CLOSE_GRACE_MS)]);
      await Promise.all([context.pools?.close(), context.templates?.close()]);
      context.networkHost?.close();
      for (const handle of context.handles.values()) handle.release();
    },
  };
}

/** Starts that hold a slot end soon; those that wait for one are left to the next daemon. */
async function startsOver(context: Context): Promise<void> {
  while (context.admitting.inFlight > 0) await sleep(context, CLOSE_POLL_MS);
}

const CLOSE_POLL_MS = 20;
