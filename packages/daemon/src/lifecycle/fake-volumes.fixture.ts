import type { StoredVolume, VolumeFolders } from "@isthmus/core";

/** Volumes of a fake host: they outlive its daemons. Each step takes a turn, as real ones do. */
export function fakeVolumes(kept: Map<string, StoredVolume>): VolumeFolders {
  return {
    load: async () => [...kept.values()],
    async create(volume) {
      await Promise.resolve();
      kept.set(volume.name, volume);
    },
    async update(volume) {
      kept.set(volume.name, volume);
    },
    async remove(name) {
      await Promise.resolve();
      kept.delete(name);
    },
    diskPath: (name) => `/volumes/${name}`,
    usedBytes: async () => 1,
  };
}
