import { isSettled, type Machine, type StorageUse } from "@isthmus/contract";
import type { ImageStore } from "../image/ports.ts";
import type { Machines } from "../machine/actions.ts";

type Kind = StorageUse["kinds"][number];

interface Item {
  readonly sizeBytes: number;
  readonly active: boolean;
}

function kindOf(kind: Kind["kind"], items: readonly Item[], reclaimable = true): Kind {
  const sum = (some: readonly Item[]) => some.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  return {
    kind,
    count: items.length,
    active: items.filter(({ active }) => active).length,
    sizeBytes: sum(items),
    reclaimableBytes: reclaimable ? sum(items.filter(({ active }) => !active)) : 0,
  };
}

/** A suspended machine has no process and has not ended. */
const isActive = ({ state }: Pick<Machine, "state">) => !isSettled(state) || state === "suspended";

/** What takes room on the host's disk, and what of it could go. */
export async function storageUse(images: Pick<ImageStore, "list">, machines: Machines): Promise<StorageUse> {
  const off = () => [];
  const [all, held, volumes, snapshots, templates] = await Promise.all([
    images.list(),
    machines.sizes(),
    machines.volumes.list(),
    machines.snapshots.list(),
    // They may be switched off.
    machines.templates.list().catch(off),
  ]);
  return {
    kinds: [
      kindOf(
        "images",
        all.map(({ digest, sizeBytes, builtIn }) => ({ sizeBytes, active: builtIn || machines.imageHolder(digest) !== undefined })),
      ),
      kindOf(
        "machines",
        held.map(({ machine, sizeBytes }) => ({ sizeBytes, active: isActive(machine) })),
      ),
      kindOf(
        "volumes",
        volumes.map(({ usedBytes, usedBy }) => ({ sizeBytes: usedBytes, active: usedBy.length > 0 })),
      ),
      kindOf(
        "snapshots",
        snapshots.map(({ sizeBytes }) => ({ sizeBytes, active: false })),
        false,
      ),
      kindOf(
        "templates",
        templates.map(({ sizeBytes, prepared = 0 }) => ({ sizeBytes, active: prepared > 0 })),
      ),
    ],
    machines: held
      .map(({ machine: { id, name, state }, sizeBytes }) => ({ id, name, state, sizeBytes }))
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes),
  };
}
