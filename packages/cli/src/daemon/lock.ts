import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import path from "node:path";
import { DAEMON_LOCK_STALE_MS } from "../config.ts";
import { isAlive } from "./process.ts";

/** Takes the lock, or gives undefined when another living process holds it. The returned function lets go. */
export function takeLock(file: string): (() => void) | undefined {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const fd = openSync(file, "wx", 0o600);
      writeSync(fd, String(process.pid));
      closeSync(fd);
      return () => release(file);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      if (!isStale(file)) return undefined;
      moveAside(file);
    }
  }
  return undefined;
}

function release(file: string): void {
  if (holder(file) === process.pid) rmSync(file, { force: true });
}

function holder(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isStale(file: string): boolean {
  try {
    const { mtimeMs } = statSync(file);
    if (Date.now() - mtimeMs > DAEMON_LOCK_STALE_MS) return true;
  } catch {
    return true;
  }
  const pid = holder(file);
  return pid !== undefined && !isAlive(pid);
}

/** By renaming, which one of several processes wins. Should two starts slip through all the same, the daemon's lock on its data folder lets one live. */
function moveAside(file: string): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    rmSync(aside, { force: true });
  } catch {
    // another process was quicker
  }
}
