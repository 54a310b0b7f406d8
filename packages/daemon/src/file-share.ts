import { constants, copyFile, link, mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import { guarded } from "./guarded.ts";

/** See `MachineFolders.createFileShare`. A hard link is the file itself, and shows nothing of the folder that it lies in. */
export async function createFileShare(folder: string, file: string, readOnly: boolean): Promise<void> {
  await guarded(`file ${file}`, async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    const target = join(folder, basename(file));
    await link(file, target).catch(async (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EXDEV" && readOnly) return await copyFile(file, target, constants.COPYFILE_FICLONE);
      const reason =
        cause.code === "EXDEV"
          ? "it lies on another file system than the data folder: it can be given read-only, or its folder"
          : cause.message;
      throw new IsthmusError("HOST_PATH_REFUSED", { path: file, reason }, { cause });
    });
  });
}
