import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own in memory at `folder`, of `mib` MiB. Needs the right to mount. */
export function mountTmpfs(folder: string, mib: number): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mib}m,mode=0700`, "none", folder], { stdio: ["ignore", "ignore", "pipe"] });
}

export function unmount(folder: string): void {
  execFileSync("umount", [folder], { stdio: ["ignore", "ignore", "pipe"] });
}

/** Whether this process may mount: a plain user may not, nor may root in most containers. Tests that must mount are left out there. */
export function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "mount-"));
  try {
    mountTmpfs(folder, 1);
    unmount(folder);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
