import { readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { IsthmusError } from "@isthmus/contract";

/**
 * Holds the data folder for one daemon until `release` or the end of the process, however it ends: the lock is the kernel's (fcntl), taken by SQLite on a
 * file of its own, without a journal: that would need room. Throws DATA_FOLDER_LOCKED with the holder's pid.
 */
export function lockFolder(folder: string): { release(): void } {
  const path = `${folder}/lock.db`;
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    if (!isBusy(cause)) throw new IsthmusError("STORE_FAILED", { reason: `${path} cannot be locked` }, { cause });
    throw new IsthmusError("DATA_FOLDER_LOCKED", { pid: holder(folder), path: folder }, { cause });
  }
  tellHolder(folder);
  return { release: () => db.close() };
}

/** Only for those who meet the lock: a full disk does not keep a daemon from starting. */
function tellHolder(folder: string): void {
  try {
    writeFileSync(`${folder}/daemon.pid`, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" && (error.errcode & 0xff) === SQLITE_BUSY;
}

function holder(folder: string): string {
  try {
    return readFileSync(`${folder}/daemon.pid`, "utf8").trim();
  } catch {
    return "unknown";
  }
}
