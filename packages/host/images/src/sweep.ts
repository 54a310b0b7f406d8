import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { blobPath, type ImageRecord, recordPath, rootfsPath } from "./image-index.ts";

const folders = ["blobs", "blobs/sha256", "rootfs", "images", "tmp"] as const;

export async function makeFolders(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of folders) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
}

async function keepOnly(folder: string, keep: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) if (!keep.has(name)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Takes away whatever a crash left: everything that no image in the index needs. */
export async function sweep(folder: string, records: readonly ImageRecord[]): Promise<void> {
  const names = (paths: readonly string[]): Set<string> => new Set(paths.map((path) => basename(path)));
  await keepOnly(join(folder, "tmp"), new Set());
  await keepOnly(join(folder, "images"), names(records.map(({ digest }) => recordPath(folder, digest))));
  await keepOnly(join(folder, "rootfs"), names(records.map((record) => rootfsPath(folder, record))));
  await keepOnly(join(folder, "blobs/sha256"), names(records.flatMap(({ blobs }) => blobs.map((digest) => blobPath(folder, digest)))));
  for (const name of await readdir(folder)) if (name.startsWith(".new-")) await rm(join(folder, name), { force: true });
}
