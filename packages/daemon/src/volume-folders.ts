import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StoredVolume, VolumeFolders } from "@isthmus/core";
import { program, synced } from "./disks.ts";
import { guarded } from "./guarded.ts";
import { describe, renameDurably, syncFolder } from "./saved-folders.ts";

const ABOUT = "volume.json";
const DISK = "disk.ext4";
/** No volume has a name that begins like this. */
const HALF = ".half-";

/** Volumes under `root`, each in a folder of its name: `disk.ext4`, described by `volume.json`. */
export function createVolumeFolders(root: string): VolumeFolders {
  const folder = (name: string) => join(root, name);
  const diskPath = (name: string) => join(folder(name), DISK);
  return {
    diskPath,
    async load() {
      const names = await readdir(root).catch(() => []);
      return (await Promise.all(names.map((name) => loadOne(root, name)))).flat();
    },
    async create(volume) {
      const what = `volume ${volume.name}`;
      await guarded(what, () => mkdir(root, { recursive: true, mode: 0o700 }));
      const half = await guarded(what, () => mkdtemp(join(root, HALF)));
      try {
        await guarded(what, () => makeDisk(join(half, DISK), volume.sizeBytes));
        await guarded(what, () => describe(half, ABOUT, volume));
        await renameDurably(half, folder(volume.name));
      } catch (error) {
        await rm(half, { recursive: true, force: true });
        throw error;
      }
    },
    async update(volume) {
      const next = join(folder(volume.name), `${ABOUT}.new`);
      await guarded(`volume ${volume.name}`, () => writeFile(next, JSON.stringify(volume), { mode: 0o600, flush: true }));
      await renameDurably(next, join(folder(volume.name), ABOUT));
    },
    async remove(name) {
      const half = `${join(root, HALF)}${name}`;
      await rm(half, { recursive: true, force: true });
      await rename(folder(name), half).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== "ENOENT") throw cause;
      });
      await syncFolder(root);
      await rm(half, { recursive: true, force: true });
    },
    async usedBytes(name) {
      return await stat(diskPath(name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      );
    },
  };
}

/** Without `lost+found`: programs that want an empty folder for their data, such as databases, take it as one. */
async function makeDisk(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(sizeBytes);
  } finally {
    await file.close();
  }
  const extended = "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0";
  await program("mkfs.ext4", ["-q", "-F", "-O", "^resize_inode", "-E", extended, "-m", "0", path]);
  await program("debugfs", ["-w", "-R", "rmdir lost+found", path]);
  await synced(path);
}

/** A volume that cannot be read is left for its owner to look at; what was never finished goes. */
async function loadOne(root: string, name: string): Promise<readonly StoredVolume[]> {
  if (name.startsWith(HALF)) {
    await rm(join(root, name), { recursive: true, force: true });
    return [];
  }
  try {
    const value: unknown = JSON.parse(await readFile(join(root, name, ABOUT), "utf8"));
    return isVolume(value) && value.name === name ? [value] : [];
  } catch {
    return [];
  }
}

function isVolume(value: unknown): value is StoredVolume {
  if (typeof value !== "object" || value === null) return false;
  if ("tenant" in value && typeof value.tenant !== "string") return false;
  return "name" in value && "sizeBytes" in value && typeof value.sizeBytes === "number" && "labels" in value && "createdAt" in value;
}
