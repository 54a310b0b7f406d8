import type { Snapshot } from "@isthmus/contract";
import { type Context, checkOpen, find } from "../machine/context.ts";
import type { SnapshotActions } from "./actions.ts";
import type { SnapshotRecord } from "./ports.ts";
import { snapshotsOf, takeSnapshot } from "./take.ts";
import { refusalOf } from "./usable.ts";

export function createSnapshotActions(context: Context): SnapshotActions {
  const open = () => {
    checkOpen(context);
    return snapshotsOf(context);
  };
  const shown = async ({ snapshot, facts }: SnapshotRecord): Promise<Snapshot> => {
    const unusable = await refusalOf(context, facts.parts);
    return unusable === undefined ? snapshot : { ...snapshot, unusable };
  };
  return {
    async create(machine, options = {}) {
      open();
      const { handle } = find(context, machine);
      await handle.ready;
      return (await takeSnapshot(context, handle, options)).snapshot;
    },
    list: async () => await Promise.all((await open().list()).map(shown)),
    get: async (ref) => await shown(await open().get(ref)),
    async remove(ref) {
      const { snapshot } = await open().get(ref);
      await open().remove(snapshot.id);
      context.store.appendEvents([
        {
          type: "snapshot.removed",
          machineId: snapshot.machineId,
          machineName: snapshot.machineName,
          details: { snapshot: snapshot.id, name: snapshot.name },
        },
      ]);
      return snapshot;
    },
  };
}
