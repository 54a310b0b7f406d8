import { type Image, IsthmusError, limits, type MachineSpec, type Mount } from "@isthmus/contract";
import { checkName } from "../machine/spec/names.ts";
import { tidy } from "../machine/spec/storage.ts";

/**
 * What a machine mounts, with tidy paths: what its spec says, and an anonymous volume for each path that its image asks one for and nothing else is mounted on.
 * Throws INVALID_REQUEST, INVALID_NAME, TOO_LARGE. Pure.
 */
export function resolveMounts(spec: MachineSpec, image: Image, tmpfs: readonly { readonly path: string }[]): readonly Mount[] {
  const mounts = (spec.mounts ?? []).map((mount, index) => ({ ...mount, path: tidy(mount.path, `mounts[${index}].path`) }));
  const taken = new Set(tmpfs.map(({ path }) => tidy(path, "tmpfs")));
  const written = new Set<string>();
  for (const [index, mount] of mounts.entries()) {
    const field = `mounts[${index}]`;
    if (taken.has(mount.path)) {
      const reason = "something else is mounted there already";
      throw new IsthmusError("INVALID_REQUEST", { field: `${field}.path`, reason, value: mount.path });
    }
    taken.add(mount.path);
    if (mount.type === "bind") checkBind(mount, field);
    else checkVolume(mount, field, written);
  }
  for (const path of image.config.volumes.map((one) => tidy(one, "the image's volumes"))) {
    if (!taken.has(path)) mounts.push({ type: "volume", path });
    taken.add(path);
  }
  if (mounts.length > limits.mounts)
    throw new IsthmusError("TOO_LARGE", {
      field: "the number of mounts, those of the image included,",
      value: mounts.length,
      limit: limits.mounts,
    });
  return mounts;
}

function checkBind({ source, sizeBytes }: Mount, field: string): void {
  const fault = source?.startsWith("/") === true ? undefined : "it must be an absolute path of the host";
  if (fault !== undefined) throw new IsthmusError("INVALID_REQUEST", { field: `${field}.source`, reason: fault, value: source });
  if (sizeBytes !== undefined)
    throw new IsthmusError("INVALID_REQUEST", { field: `${field}.sizeBytes`, reason: "only a volume has a size", value: sizeBytes });
}

/** The paths of the host that a machine with this spec is given. */
export function bindsOf(
  spec: MachineSpec,
): readonly { readonly source: string; readonly path: string; readonly readOnly: boolean; readonly index: number }[] {
  const binds = (spec.mounts ?? []).filter(({ type }) => type === "bind");
  return binds.flatMap(({ source, path, readOnly }, index) =>
    source === undefined ? [] : [{ source, path, readOnly: readOnly === true, index }],
  );
}

/** One file system is one device of a machine: it is mounted once. */
function checkVolume({ source, readOnly }: Mount, field: string, seen: Set<string>): void {
  if (source === undefined) {
    if (readOnly !== true) return;
    throw new IsthmusError("INVALID_REQUEST", {
      field: `${field}.readOnly`,
      reason: "a volume that is made for this machine alone has nothing to read",
      value: true,
    });
  }
  checkName(source);
  if (seen.has(source))
    throw new IsthmusError("INVALID_REQUEST", { field: `${field}.source`, reason: "a machine mounts a volume once", value: source });
  seen.add(source);
}

/** The volumes that a machine with this spec names, and how. */
export function volumesOf(
  spec: MachineSpec,
): readonly { readonly name: string; readonly path: string; readonly readOnly: boolean; readonly index: number }[] {
  const volumes = (spec.mounts ?? []).filter(({ type }) => type === "volume");
  return volumes.flatMap(({ source, path, readOnly }, index) =>
    source === undefined ? [] : [{ name: source, path, readOnly: readOnly === true, index }],
  );
}
