import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CaptureFacts, SavedFolders } from "@isthmus/core";
import { guarded } from "./guarded.ts";

const ABOUT = "saved.json";

/** What a suspended machine goes on from, in a folder of its own folder: `suspended`, of another name until all of it is there and once it was used. */
export function createSavedFolders(folder: (id: string) => string): SavedFolders {
  const whole = (id: string) => join(folder(id), "suspended");
  const half = (id: string) => `${whole(id)}.new`;
  const used = (id: string) => `${whole(id)}.used`;
  const remove = async (id: string) => {
    for (const path of [half(id), used(id), whole(id)]) await rm(path, { recursive: true, force: true });
  };
  return {
    async begin(id) {
      await remove(id);
      await guarded(`saving machine ${id}`, () => mkdir(half(id), { mode: 0o700 }));
      return half(id);
    },
    async commit(id, facts) {
      await guarded(`saving machine ${id}`, () => describe(half(id), ABOUT, facts));
      await renameDurably(half(id), whole(id));
    },
    async load(id) {
      try {
        const facts: unknown = JSON.parse(await readFile(join(whole(id), ABOUT), "utf8"));
        return isFacts(facts) ? { folder: whole(id), facts } : undefined;
      } catch {
        return undefined;
      }
    },
    async use(id) {
      await renameDurably(whole(id), used(id)).catch((cause: NodeJS.ErrnoException) => {
        // It was marked already by a daemon that died then.
        if (cause.code !== "ENOENT") throw cause;
      });
    },
    remove,
  };
}

/** Writes what a folder holds into it, durably, and syncs the folder itself. */
export async function describe(folder: string, name: string, about: unknown): Promise<void> {
  await writeFile(join(folder, name), JSON.stringify(about), { mode: 0o600, flush: true });
  await syncFolder(folder);
}

export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export function isFacts(value: unknown): value is CaptureFacts {
  return typeof value === "object" && value !== null && "parts" in value && "accelerator" in value && "sizeBytes" in value;
}
