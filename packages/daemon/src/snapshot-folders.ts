import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { SnapshotSchema } from "@isthmus/contract/schemas";
import type { SnapshotFolders, SnapshotRecord } from "@isthmus/core";
import { savedDiskPath } from "@isthmus/engine-qemu";
import { Value } from "typebox/value";
import { guarded } from "./guarded.ts";
import { describe, isFacts, renameDurably } from "./saved-folders.ts";

const TAKING = "taking-";
const ABOUT = "snapshot.json";

/** Snapshots under `root`, each in a folder named by its id, described by `snapshot.json`. */
export function createSnapshotFolders(root: string): SnapshotFolders {
  const folder = (id: string) => join(root, id);
  return {
    folder,
    diskIn: savedDiskPath,
    async load() {
      const names = await readdir(root).catch(() => []);
      return (await Promise.all(names.map((name) => loadOne(root, name)))).flat();
    },
    async begin() {
      return await guarded("a snapshot", async () => {
        await mkdir(root, { recursive: true, mode: 0o700 });
        return await mkdtemp(join(root, TAKING));
      });
    },
    async commit(taken, record) {
      await guarded("a snapshot", () => describe(taken, ABOUT, record));
      await renameDurably(taken, folder(record.snapshot.id));
    },
    discard: (taken) => rm(taken, { recursive: true, force: true }),
    remove: (id) => rm(folder(id), { recursive: true, force: true }),
  };
}

function isRecord(value: unknown): value is SnapshotRecord {
  if (typeof value !== "object" || value === null || !("snapshot" in value) || !("facts" in value) || !("workload" in value)) return false;
  return (
    Value.Check(SnapshotSchema, value.snapshot) && isFacts(value.facts) && "rootfsPath" in value && "stopSignal" in value && "argv" in value
  );
}

/** A snapshot that cannot be read is left for its owner to look at; what was never finished goes. */
async function loadOne(root: string, name: string): Promise<readonly SnapshotRecord[]> {
  if (name.startsWith(TAKING)) {
    await rm(join(root, name), { recursive: true, force: true });
    return [];
  }
  try {
    const value: unknown = JSON.parse(await readFile(join(root, name, ABOUT), "utf8"));
    return isRecord(value) && value.snapshot.id === name ? [value] : [];
  } catch {
    return [];
  }
}
