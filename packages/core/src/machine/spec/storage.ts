import { IsthmusError, type MachineSpec } from "@isthmus/contract";
import { TMPFS_DEFAULT_PART } from "../config.ts";

/** folders that the agent mounts itself */
const reservedRoots = ["/proc", "/sys", "/dev"];

/** tmpfs mounts with tidy paths. Throws INVALID_REQUEST for a path that is reserved, taken twice or leaves its folder, and for more than fits the memory. */
export function resolveTmpfs(spec: MachineSpec, memoryBytes: number): { readonly path: string; readonly sizeBytes?: number }[] {
  const mounts = (spec.tmpfs ?? []).map((mount, index) => ({ ...mount, path: tidy(mount.path, `tmpfs[${index}].path`) }));
  const seen = new Set<string>();
  let total = 0;
  for (const [index, mount] of mounts.entries()) {
    if (seen.has(mount.path)) {
      throw new IsthmusError("INVALID_REQUEST", {
        field: `tmpfs[${index}].path`,
        reason: "the same path is given twice",
        value: mount.path,
      });
    }
    seen.add(mount.path);
    total += mount.sizeBytes ?? 0;
    if ((mount.sizeBytes ?? memoryBytes * TMPFS_DEFAULT_PART) > memoryBytes || total > memoryBytes) {
      const reason = `all tmpfs together may hold at most the machine's memory, ${memoryBytes} bytes`;
      throw new IsthmusError("INVALID_REQUEST", { field: `tmpfs[${index}].sizeBytes`, reason, value: mount.sizeBytes ?? 0 });
    }
  }
  return mounts;
}

/** Throws INVALID_REQUEST for a path that nothing may be mounted on. */
export function tidy(path: string, field: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const result = `/${parts.join("/")}`;
  const fault = parts.includes("..")
    ? "it must not hold '..'"
    : parts.length === 0
      ? "it must not be the root"
      : reservedRoots.some((root) => result === root || (result.startsWith(`${root}/`) && result !== "/dev/shm"))
        ? "the guest needs that folder itself"
        : undefined;
  if (fault !== undefined) throw new IsthmusError("INVALID_REQUEST", { field, reason: fault, value: path });
  return result;
}
