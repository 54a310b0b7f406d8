import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { link, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { MachineFolders } from "@isthmus/core";
import { createQcow2 } from "@isthmus/engine-qemu";
import { SOCKET_FOLDER_CHARS_MAX } from "./config.ts";
import { copyDisk, emptyDisk } from "./disks.ts";
import { createFileShare } from "./file-share.ts";
import { guarded } from "./guarded.ts";
import { createSavedFolders } from "./saved-folders.ts";

export const DISK_FILE = "disk.ext4";
export const OUTPUT_FILE = "output.log";
/** what a clone's disk holds of its own, and its name for the disk of the snapshot */
const OVERLAY_FILE = "disk.qcow2";
const OVERLAY_BASE_FILE = "disk.base.qcow2";

const idPattern = /^[0-9a-f]{16}$/;

/** Machine folders under `<home>/machines`, socket folders under `<run>/m`; all 0700. */
export function createFolders(home: string, runFolder: string): MachineFolders {
  const root = machinesFolder(home);
  const sockets = shortFolder(runFolder, "m");
  const checked = (id: string) => {
    if (!idPattern.test(id)) throw new IsthmusError("INTERNAL", { reason: `${id} is no machine id` });
    return id;
  };
  const folder = (id: string) => join(root, checked(id));
  const socketFolder = (id: string) => join(sockets, checked(id));
  const diskPath = (id: string) => join(folder(id), DISK_FILE);
  const fileSharePath = (id: string, index: number) => join(folder(id), `file-${index}`);
  const volumeOverlayPath = (id: string, index: number) => join(folder(id), `volume-${index}.qcow2`);
  const overlayPath = (id: string) => join(folder(id), OVERLAY_FILE);
  return {
    root,
    folder,
    socketFolder,
    outputPath: (id) => join(folder(id), OUTPUT_FILE),
    diskPath,
    async create(id) {
      await guarded(`machine ${id}`, async () => {
        await mkdir(root, { recursive: true, mode: 0o700 });
        await mkdir(folder(id), { mode: 0o700 });
      });
    },
    async createSocketFolder(id) {
      await guarded(`machine ${id}`, () => mkdir(socketFolder(id), { recursive: true, mode: 0o700 }));
    },
    async createDisk(id, sizeBytes, copyOf) {
      const disks = disksFolder(home);
      await guarded(`the disk of machine ${id}`, async () => copyDisk(copyOf ?? (await emptyDisk(disks, sizeBytes)), diskPath(id)));
      return diskPath(id);
    },
    overlayPath,
    async createOverlay(id, snapshotDisk, sizeBytes) {
      await guarded(`the disk of machine ${id}`, async () => {
        const base = join(folder(id), OVERLAY_BASE_FILE);
        for (const path of [base, overlayPath(id)]) await rm(path, { force: true });
        await link(snapshotDisk, base);
        await createQcow2(overlayPath(id), sizeBytes, { name: OVERLAY_BASE_FILE, format: "qcow2" });
      });
    },
    volumeOverlayPath,
    fileSharePath,
    createFileShare: (id, index, file, readOnly) => createFileShare(fileSharePath(id, index), file, readOnly),
    createVolumeOverlay: (id, index, sizeBytes) => newOverlay(id, volumeOverlayPath(id, index), sizeBytes),
    saved: createSavedFolders(folder),
    has: async (id) => existsSync(folder(id)),
    hasDisk: async (id) => existsSync(diskPath(id)) || existsSync(overlayPath(id)),
    removeDisk: (id) => rm(diskPath(id), { force: true }),
    async remove(id) {
      await rm(socketFolder(id), { recursive: true, force: true });
      await rm(folder(id), { recursive: true, force: true });
    },
    usedBytes: (id) => usedBytes(folder(id)),
    async list() {
      const names = await readdir(root).catch(() => []);
      return names.filter((name) => idPattern.test(name));
    },
  };
}

async function newOverlay(id: string, path: string, sizeBytes: number): Promise<void> {
  await guarded(`a volume of machine ${id}`, async () => {
    await rm(path, { force: true });
    await createQcow2(path, sizeBytes);
  });
}

/** empty disks, to be copied */
export function disksFolder(home: string): string {
  return join(home, "disks");
}

export function machinesFolder(home: string): string {
  return join(home, "machines");
}

/** The socket folder, or one in /tmp named by the hash of a path that is too long for a Unix socket. */
export function shortFolder(runFolder: string, name: string): string {
  const wished = join(runFolder, name);
  if (wished.length <= SOCKET_FOLDER_CHARS_MAX - 17) return wished;
  return join("/tmp", `isthmus-${createHash("sha256").update(wished).digest("hex").slice(0, 12)}`);
}

/** Blocks in use of all files below; a file that several names have is counted for each, one that goes meanwhile is nothing. */
async function usedBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    bytes += await lstat(join(entry.parentPath, entry.name)).then(
      ({ blocks }) => blocks * BLOCK_BYTES,
      () => 0,
    );
  }
  return bytes;
}

/** of `stat` */
const BLOCK_BYTES = 512;
