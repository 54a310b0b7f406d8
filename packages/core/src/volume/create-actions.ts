import { defaults, IsthmusError, type Volume, type VolumeUse } from "@isthmus/contract";
import { type Context, checkOpen } from "../machine/context.ts";
import type { MachineRecord } from "../machine/ports.ts";
import type { VolumeActions } from "./actions.ts";
import { holdsVolumes } from "./claims.ts";
import { exportVolume, importVolume } from "./content.ts";
import { volumesOf } from "./mounts.ts";
import type { StoredVolume } from "./ports.ts";
import type { Volumes } from "./volumes.ts";

export function createVolumeActions(context: Context): VolumeActions {
  const opened = () => openedVolumes(context);
  const remove = (volume: Volume) => removeUnused(context, volume.name);
  return {
    async create({ name, sizeBytes = defaults.volumeBytes, labels = {} }) {
      const volumes = await opened();
      context.crashpoint("volume.before-create");
      const volume = await volumes.create({ name, sizeBytes, labels });
      context.crashpoint("volume.after-create");
      tell(context, "volume.created", volume);
      return await shown(context, volumes, volume);
    },
    async list() {
      const volumes = await opened();
      const records = context.store.allMachines();
      return await Promise.all(volumes.all().map((volume) => shown(context, volumes, volume, records)));
    },
    async get(name) {
      const volumes = await opened();
      return await shown(context, volumes, volumes.get(name));
    },
    async remove(name) {
      const volumes = await opened();
      return await remove(await shown(context, volumes, volumes.get(name)));
    },
    async prune({ all = false } = {}) {
      const volumes = await opened();
      const records = context.store.allMachines();
      const removed: Volume[] = [];
      for (const volume of volumes.all()) {
        if ((!volume.anonymous && !all) || usersOf(records, volume.name).length > 0) continue;
        removed.push(await remove(await shown(context, volumes, volume, records)));
      }
      return removed;
    },
    async export(name, options = {}) {
      return await exportVolume(context, (await opened()).get(name), options);
    },
    async import({ name, sizeBytes = defaults.volumeBytes, labels = {} }, archive, options = {}) {
      const volumes = await opened();
      const volume = await importVolume(context, volumes, { name, sizeBytes, labels }, archive, options);
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

/** Nothing waits between the look at who uses it and the reservation of its name. */
async function removeUnused(context: Context, name: string): Promise<Volume> {
  const volumes = await openedVolumes(context);
  const before = await shown(context, volumes, volumes.get(name));
  const [user] = usersOf(context.store.allMachines(), name);
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

function tell(context: Context, type: "volume.created" | "volume.removed", { name, sizeBytes, anonymous }: StoredVolume): void {
  context.store.appendEvents([{ type, details: { volume: name, sizeBytes, anonymous } }]);
}

async function shown(
  context: Context,
  { folders }: Volumes,
  { name, sizeBytes, anonymous, labels, createdAt }: StoredVolume,
  records = context.store.allMachines(),
): Promise<Volume> {
  const usedBytes = await folders.usedBytes(name);
  return { name, sizeBytes, usedBytes, anonymous, labels: { ...labels }, createdAt, usedBy: usersOf(records, name) };
}

function usersOf(records: readonly MachineRecord[], volume: string): VolumeUse[] {
  return records.flatMap((record) => {
    const { id, name, spec } = record.machine;
    const uses = volumesOf(spec).filter((one) => one.name === volume);
    return uses.map(({ path, readOnly }) => ({ machineId: id, machineName: name, path, readOnly, holds: holdsVolumes(record) }));
  });
}
