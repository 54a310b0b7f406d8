import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Makes renames and new names in `folder` survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await syncFile(folder);
}

export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces `path` as a whole: a reader, or a start after a crash, sees the old text or the new one. */
export async function writeDurable(path: string, text: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.new-${randomUUID()}`);
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}
