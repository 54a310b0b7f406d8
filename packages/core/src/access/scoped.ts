import { createHash } from "node:crypto";
import { IsthmusError, type Machine, type MachineSpec, type Snapshot } from "@isthmus/contract";
import { tenantOf } from "../licence/lease-events.ts";
import type { CloneSource, Machines } from "../machine/actions.ts";
import type { QuotaActions } from "../quota/actions.ts";
import type { SnapshotActions } from "../snapshot/actions.ts";
import type { VolumeActions } from "../volume/actions.ts";
import type { Caller } from "./caller.ts";

/**
 * What a caller may see and touch of `machines`: all of it, or what is of its tenant. Whatever is another tenant's is to it as if it were not there. What is
 * of the whole host stays reachable here: that is kept from a tenant's callers by the permission of each route.
 */
export function machinesOf(machines: Machines, caller: Caller): Machines {
  const { tenant, who } = caller;
  if (tenant === undefined) return machines;
  const own = (ref: string) => machines.get(ref, tenant).id;
  const snapshots = snapshotsOf(machines, tenant);
  return {
    ...machines,
    ...lifecycleOf(machines, own),
    ...insideOf(machines, own),
    snapshots,
    volumes: volumesOf(machines.volumes, tenant, who),
    quotas: quotasOf(machines.quotas, tenant),
    async create(spec, options = {}) {
      const { idempotencyKey: key } = options;
      // It would move a tag that is everybody's.
      if (options.pull === "always") throw new IsthmusError("FORBIDDEN", { who, needed: "a token of the whole host, as images do" });
      const owned = { ...ownSpec(spec, tenant, who) };
      // Another tenant's key is none of this one's.
      const idempotencyKey = key && createHash("sha256").update(`${tenant} ${key}`).digest("hex");
      return await withoutHolder(machines.create(owned, { ...options, idempotencyKey, tenantBound: true }));
    },
    async clone(source, spec, options) {
      onLoopback(spec?.ports, who);
      return await withoutHolder(machines.clone(await ownSource(source, own, snapshots), spec, options));
    },
    imageHolder: (digest) => machines.imageHolder(digest),
    adoptAll: () => machines.adoptAll(),
    close: () => machines.close(),
    get: (ref) => machines.get(ref, tenant),
    why: (ref) => machines.why(own(ref)),
    list: (query) => machines.list({ ...query, tenant }),
    counts: () => machines.counts(tenant),
    wait: async (ref, condition, signal) => await machines.wait(ref, condition, signal, tenant),
    events: (options = {}) => machines.events({ ...options, tenant }),
  };
}

type Own = (ref: string) => string;
type Lifecycle = Pick<Machines, "start" | "stop" | "kill" | "pause" | "unpause" | "suspend" | "resume" | "rename" | "update" | "remove">;

function lifecycleOf(machines: Machines, own: Own): Lifecycle {
  return {
    start: async (ref, options) => await machines.start(own(ref), options),
    stop: async (ref, options) => await machines.stop(own(ref), options),
    kill: async (ref, signal) => await machines.kill(own(ref), signal),
    pause: async (ref) => await machines.pause(own(ref)),
    unpause: async (ref) => await machines.unpause(own(ref)),
    suspend: async (ref) => await machines.suspend(own(ref)),
    resume: async (ref, options) => await machines.resume(own(ref), options),
    update: async (ref, change) => await machines.update(own(ref), change),
    rename: async (ref, name) => await withoutHolder(machines.rename(own(ref), name)),
    remove: async (ref, options) => await machines.remove(own(ref), options),
  };
}

type Inside = Pick<Machines, "exec" | "attach" | "logs" | "stats" | "processes" | "changes" | "putArchive" | "getArchive" | "statPath">;

function insideOf(machines: Machines, own: Own): Inside {
  return {
    exec: async (ref, spec) => await machines.exec(own(ref), spec),
    attach: async (ref, signal) => await machines.attach(own(ref), signal),
    async *logs(ref, options) {
      yield* machines.logs(own(ref), options);
    },
    stats: async (ref) => await machines.stats(own(ref)),
    processes: async (ref) => await machines.processes(own(ref)),
    changes: async (ref) => await machines.changes(own(ref)),
    putArchive: async (ref, path, archive, signal) => await machines.putArchive(own(ref), path, archive, signal),
    getArchive: async (ref, path, signal) => await machines.getArchive(own(ref), path, signal),
    statPath: async (ref, path) => await machines.statPath(own(ref), path),
  };
}

/** Throws FORBIDDEN. */
function ownSpec(spec: MachineSpec, tenant: string, who: string): MachineSpec {
  ofTenant(spec.tenant, tenant, who);
  if (spec.mounts?.some(({ type }) => type === "bind"))
    throw new IsthmusError("FORBIDDEN", { who, needed: "a token of the whole host, as its folders and files do" });
  // Networks belong to the host: who names one could name another tenant's.
  if (spec.network === "bridge" || (spec.networks ?? []).length > 0)
    throw new IsthmusError("FORBIDDEN", { who, needed: "a token of the whole host, as networks do" });
  onLoopback(spec.ports, who);
  return { ...spec, tenant };
}

/** Throws FORBIDDEN. */
function ofTenant(asked: string | undefined, tenant: string, who: string): void {
  if (asked !== undefined && asked !== tenant) throw new IsthmusError("FORBIDDEN", { who, needed: "a token of that tenant" });
}

/** The host's other addresses are not a tenant's to take ports of. Throws FORBIDDEN. */
function onLoopback(ports: MachineSpec["ports"], who: string): void {
  if (ports?.some(({ address }) => !address.startsWith("127.")))
    throw new IsthmusError("FORBIDDEN", { who, needed: "a token of the whole host, as its addresses beside 127.0.0.0/8 do" });
}

async function ownSource(source: CloneSource, own: Own, snapshots: SnapshotActions): Promise<CloneSource> {
  return "machine" in source ? { machine: own(source.machine) } : { snapshot: (await snapshots.get(source.snapshot)).id };
}

/** Names are unique on a host; that one is taken is told, by which machine is not. */
async function withoutHolder<T extends Machine | readonly Machine[]>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof IsthmusError) || cause.code !== "NAME_TAKEN") throw cause;
    throw new IsthmusError("NAME_TAKEN", { name: cause.details.name, holder: "of this host" }, { cause });
  }
}

function snapshotsOf(machines: Machines, tenant: string): SnapshotActions {
  const { snapshots } = machines;
  const isOwn = ({ spec }: Snapshot) => tenantOf(spec) === tenant;
  const get = async (ref: string) => {
    const own = (await snapshots.list()).filter(isOwn);
    const begun = ref.length >= 4 ? own.filter(({ id }) => id.startsWith(ref)) : [];
    const found = own.find(({ id, name }) => id === ref || name === ref) ?? (begun.length === 1 ? begun[0] : undefined);
    if (found === undefined) throw new IsthmusError("SNAPSHOT_NOT_FOUND", { ref });
    return found;
  };
  return {
    create: async (machine, options) => await snapshots.create(machines.get(machine, tenant).id, options),
    list: async () => (await snapshots.list()).filter(isOwn),
    get,
    remove: async (ref) => await snapshots.remove((await get(ref)).id),
  };
}

function volumesOf(volumes: VolumeActions, tenant: string, who: string): VolumeActions {
  const scope = { tenant };
  return {
    async create(spec) {
      ofTenant(spec.tenant, tenant, who);
      return await volumes.create({ ...spec, tenant }, scope);
    },
    list: async () => await volumes.list(scope),
    get: async (name) => await volumes.get(name, scope),
    remove: async (name) => await volumes.remove(name, scope),
    prune: async (options) => await volumes.prune({ ...options, tenant }),
    export: async (name, options) => await volumes.export(name, { ...options, tenant }),
    async import(spec, archive, options) {
      ofTenant(spec.tenant, tenant, who);
      return await volumes.import({ ...spec, tenant }, archive, { ...options, tenant });
    },
  };
}

function quotasOf(quotas: QuotaActions, tenant: string): QuotaActions {
  return {
    ...quotas,
    list: () => [quotas.get(tenant)],
    get(asked) {
      if (asked !== tenant) throw new IsthmusError("QUOTA_NOT_FOUND", { tenant: asked });
      return quotas.get(tenant);
    },
  };
}
