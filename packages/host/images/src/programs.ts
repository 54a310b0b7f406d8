import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { IsthmusError } from "@isthmus/contract";

/** Looked at in this order; the daemon's own PATH is not asked, since these run with an empty environment. */
const folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/** Absolute path of a program. Throws ENGINE_MISSING with the Debian package that brings it. */
export async function findProgram(program: string, debianPackage: string): Promise<string> {
  for (const folder of folders) {
    const path = join(folder, program);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw new IsthmusError("ENGINE_MISSING", { program, package: debianPackage });
}
