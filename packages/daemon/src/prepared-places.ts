import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { PreparedPlaces } from "@isthmus/core";
import { copyDisk } from "./disks.ts";
import { createFolders, DISK_FILE, machinesFolder, OUTPUT_FILE, shortFolder } from "./folders.ts";
import { guarded } from "./guarded.ts";

/** Folders under `<home>/pool` and, for sockets, `<run>/p`, laid out as a machine's: they become one's by being renamed. */
export function createPlaces(home: string, runFolder: string): PreparedPlaces {
  const root = join(home, "pool");
  const sockets = shortFolder(runFolder, "p");
  const machines = createFolders(home, runFolder);
  const folder = (id: string) => join(root, id);
  const socketFolder = (id: string) => join(sockets, id);
  return {
    root,
    folder,
    // Names only, here and below, are made at once: a thread of the pool takes longer to wake than this does, three times over.
    async create(disk) {
      const id = randomBytes(8).toString("hex");
      const place = { id, folder: folder(id), socketFolder: socketFolder(id), outputPath: join(folder(id), OUTPUT_FILE) };
      await guarded("a prepared clone", async () => {
        mkdirSync(place.folder, { recursive: true, mode: 0o700 });
        mkdirSync(place.socketFolder, { recursive: true, mode: 0o700 });
        if (disk?.copyOf !== undefined) await copyDisk(disk.copyOf, join(place.folder, DISK_FILE));
      });
      return disk === undefined ? place : { ...place, diskPath: join(place.folder, DISK_FILE) };
    },
    async give(id, machineId) {
      await guarded(`machine ${machineId}`, async () => {
        mkdirSync(machinesFolder(home), { recursive: true, mode: 0o700 });
        renameSync(socketFolder(id), machines.socketFolder(machineId));
        renameSync(folder(id), machines.folder(machineId));
      });
    },
    async remove(id) {
      await rm(socketFolder(id), { recursive: true, force: true });
      await rm(folder(id), { recursive: true, force: true });
    },
    list: () => readdir(root).catch(() => []),
  };
}
