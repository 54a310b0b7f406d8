import { statSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { sep } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { HostPaths } from "@isthmus/core";

/** `owner`: whoever owns the daemon's socket, any path; `off`: nobody; else folders in which paths are given to every client. */
export type HostPathPolicy = "owner" | "off" | readonly string[];

/** Which paths of this host machines may be given. `own`: folders of the daemon, which are never. */
export function createHostPaths(policy: HostPathPolicy, own: readonly string[]): HostPaths {
  return {
    async resolve(path, remote) {
      const refused = (reason: string, cause?: unknown) => new IsthmusError("HOST_PATH_REFUSED", { path, reason }, { cause });
      if (policy === "off") throw refused("ISTHMUS_HOST_PATHS is off");
      if (policy === "owner" && remote)
        throw refused("only the owner of the daemon's socket may give any; ISTHMUS_HOST_PATHS names folders for the others");
      const real = await realpath(path).catch((cause: NodeJS.ErrnoException) => {
        throw refused(cause.code === "ENOENT" ? "there is no such file or folder" : cause.message, cause);
      });
      if (real.includes(",")) throw refused("it holds a comma, which the program that serves it cannot take");
      const found = await stat(real);
      if (!found.isDirectory() && !found.isFile()) throw refused("it is neither a folder nor a file");
      const roots = policy === "owner" ? [] : await Promise.all(policy.map((root) => realpath(root).catch(() => root)));
      if (policy !== "owner" && !roots.some((root) => within(real, root))) throw refused(`it lies in none of ${roots.join(", ")}`);
      const ours = await Promise.all(own.map((folder) => realpath(folder).catch(() => folder)));
      if (ours.some((folder) => within(real, folder) || within(folder, real))) throw refused("the daemon's own files are there");
      return real;
    },
    isFile(path) {
      return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    },
  };
}

function within(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}
