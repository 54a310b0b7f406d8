import { defaults, hasCode, IsthmusError, type Volume, type VolumeUse } from "@isthmus/contract";
import { type Context, checkOpen } from "../machine/context.ts";
import type { MachineRecord } from "../machine/ports.ts";
import type { VolumeActions, VolumeScope } from "./actions.ts";
import { holdsVolumes } from "./claims.ts";
import { exportVolume, importVolume } from "./content.ts";
import { volumesOf } from "./mounts.ts";
import type { StoredVolume } from "./ports.ts";
import { mayMount, takenFor } from "./tenants.ts";
import type { Volumes } from "./volumes.ts";

export function createVolumeActions(context: Context): VolumeActions {
  const opened = () => openedVolumes(context);
  return {
    async create({ name, sizeBytes = defaults.volumeBytes, labels = {}, tenant }, scope = {}) {
      const volumes = await opened();
      context.crashpoint("volume.before-create");
      const volume = await named(volumes, name, scope, () => volumes.create({ name, sizeBytes, labels, tenant }));
      context.crashpoint("volume.after-create");
      tell(context, "volume.created", volume);
      return await shown(context, volumes, volume);
    },
    async list({ tenant } = {}) {
      const volumes = await opened();
      const records = context.store.allMachines();
      return await Promise.all(volumes.all(tenant).map((volume) => shown(context, volumes, volume, records)));
    },
    async get(name, { tenant } = {}) {
      const volumes = await opened();
      return await shown(context, volumes, volumes.get(name, tenant));
    },
    async remove(name, scope = {}) {
      return await removeUnused(context, name, scope);
    },
    async prune({ all = false, tenant } = {}) {
      const volumes = await opened();
      const records = context.store.allMachines();
      const removed: Volume[] = [];
      for (const volume of volumes.all(tenant)) {
        if ((!volume.anonymous && !all) || usersOf(records, volume).length > 0) continue;
        const gone = await removeUnused(context, volume.name, { tenant }).catch((error: unknown) => {
          // It has come into use since, or is copied, or somebody else removed it: that is no reason to keep the others.
          if (!hasCode(error, "VOLUME_IN_USE", "VOLUME_NOT_FOUND")) throw error;
        });
        if (gone !== undefined) removed.push(gone);
      }
      return removed;
    },
    async export(name, options = {}) {
      return await exportVolume(context, (await opened()).get(name, options.tenant), options);
    },
    async import({ name, sizeBytes = defaults.volumeBytes, labels = {}, tenant }, archive, options = {}) {
      const volumes = await opened();
      const wanted = { name, sizeBytes, labels, tenant };
      const volume = await named(volumes, name, options, () => importVolume(context, volumes, wanted, archive, options));
      tell(context, "volume.created", volume);
      return await shown(context, volumes, volume);
    },
  };
}

async function openedVolumes(context: Context): Promise<Volumes> {
  checkOpen(context);
  const { volumes } = context;
  if (volumes === undefined) throw new IsthmusError("INTERNAL", { reason: "this daemon has no place for volumes" });
  await volumes.load();
  return volumes;
}

/** Who is bound to a tenant is told that a name is taken, and not that the volume is there: it cannot see it. */
async function named<T>(volumes: Volumes, name: string | undefined, { tenant }: VolumeScope, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (tenant === undefined || name === undefined || !hasCode(error, "VOLUME_EXISTS")) throw error;
    await volumes.settled(name);
    const holder = volumes.find(name);
    throw holder !== undefined && holder.tenant !== tenant ? takenFor(tenant, name, error) : error;
  }
}

/** Nothing waits between the look at who uses it and the reservation of its name. */
async function removeUnused(context: Context, name: string, { tenant }: VolumeScope): Promise<Volume> {
  const volumes = await openedVolumes(context);
  const before = await shown(context, volumes, volumes.get(name, tenant));
  // It may have become another since.
  const [user] = usersOf(context.store.allMachines(), volumes.get(name, tenant));
  const look = context.looks.of(name)[0];
  if (user !== undefined)
    throw new IsthmusError("VOLUME_IN_USE", {
      name,
      holder: `machine ${user.machineName}`,
      use: user.holds ? "has it mounted" : "mounts it when it is started",
    });
  if (look !== undefined) throw new IsthmusError("VOLUME_IN_USE", { name, holder: look.what, use: "is under way" });
  context.crashpoint("volume.before-remove");
  const removed = await volumes.remove(name);
  context.crashpoint("volume.after-remove");
  tell(context, "volume.removed", removed);
  return before;
}

function tell(context: Context, type: "volume.created" | "volume.removed", { name, sizeBytes, anonymous, tenant }: StoredVolume): void {
  context.store.appendEvents([{ type, tenant, details: { volume: name, sizeBytes, anonymous, tenant } }]);
}

async function shown(context: Context, { folders }: Volumes, volume: StoredVolume, records = context.store.allMachines()): Promise<Volume> {
  const { name, sizeBytes, anonymous, labels, tenant, createdAt } = volume;
  const usedBytes = await folders.usedBytes(name);
  const about = { name, sizeBytes, usedBytes, anonymous, labels: { ...labels }, createdAt, usedBy: usersOf(records, volume) };
  return tenant === undefined ? about : { ...about, tenant };
}

function usersOf(records: readonly MachineRecord[], volume: StoredVolume): VolumeUse[] {
  return records.flatMap((record) => {
    const { id, name, spec } = record.machine;
    if (!mayMount(spec, volume)) return [];
    const uses = volumesOf(spec).filter((one) => one.name === volume.name);
    return uses.map(({ path, readOnly }) => ({ machineId: id, machineName: name, path, readOnly, holds: holdsVolumes(record) }));
  });
}
