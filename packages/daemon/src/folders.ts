import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { MachineFolders } from "@isthmus/core";
import { SOCKET_FOLDER_CHARS_MAX } from "./config.ts";
import { copyDisk, emptyDisk } from "./disks.ts";

export const DISK_FILE = "disk.ext4";
export const OUTPUT_FILE = "output.log";

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
    has: (id) => exists(folder(id)),
    hasDisk: (id) => exists(diskPath(id)),
    removeDisk: (id) => rm(diskPath(id), { force: true }),
    async remove(id) {
      await rm(socketFolder(id), { recursive: true, force: true });
      await rm(folder(id), { recursive: true, force: true });
    },
    async list() {
      const names = await readdir(root).catch(() => []);
      return names.filter((name) => idPattern.test(name));
    },
  };
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

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Turns "no space" into DISK_FULL. */
export async function guarded<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOSPC" || code === "EDQUOT") throw new IsthmusError("DISK_FULL", { what }, { cause });
    throw cause;
  }
}
