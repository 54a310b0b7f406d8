import { constants } from "node:fs";
import { access, readdir, stat } from "node:fs/promises";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { IsthmusError, type Kernel } from "@isthmus/contract";
import { bzImageVersion } from "./bzimage.ts";
import { collectModules, type KernelModule, orderedModules } from "./modules.ts";
import { fileStamp, folderKey, foldersStamp } from "./stamp.ts";

/** A kernel file that could be booted, and where its modules come from. */
export interface Candidate {
  readonly source: Kernel["source"];
  readonly path: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** Throws KERNEL_NOT_FOUND when the kernel lacks what a guest needs. */
  modules(): Promise<readonly KernelModule[]>;
  /** changes when what `modules` gives does; cheap */
  modulesKey(): string;
}

export interface SourceOptions {
  /** the data folder's `kernels` */
  readonly folder: string;
  readonly configuredPath?: string;
  /** where the host's own files are; default `/` */
  readonly root?: string;
}

export const KERNEL_FILE = "vmlinuz";
const names = new Intl.Collator("en", { numeric: true });

async function readable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function candidate(source: Kernel["source"], path: string, modulesFolder: string): Promise<Candidate | undefined> {
  if (!(await readable(path))) return undefined;
  const [version, info] = await Promise.all([bzImageVersion(path), stat(path)]);
  return {
    source,
    path,
    version,
    sizeBytes: info.size,
    modules: () => orderedModules(modulesFolder),
    modulesKey: () => folderKey(modulesFolder),
  };
}

async function configured(path: string): Promise<Candidate> {
  const found = await candidate("configured", path, join(dirname(path), "modules"));
  if (found === undefined) {
    throw new IsthmusError("CONFIG_INVALID", { field: "kernel", value: path, reason: "there is no readable file" });
  }
  return found;
}

/** Kernels that Isthmus keeps, newest first: by version for Debian's, by the time of building for built ones. */
async function kept(source: "built" | "debian", folder: string): Promise<readonly Candidate[]> {
  const entries = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith("."));
  const found = await Promise.all(
    entries.map(async (name) => {
      const path = join(folder, name, KERNEL_FILE);
      const kernel = await candidate(source, path, join(folder, name, "modules"));
      return kernel === undefined ? [] : [{ name, kernel, madeMs: (await stat(path)).mtimeMs }];
    }),
  );
  const order = found.flat().sort((a, b) => (source === "built" ? b.madeMs - a.madeMs : names.compare(b.name, a.name)));
  return order.map(({ kernel }) => kernel);
}

async function hostOwn(root: string): Promise<Candidate | undefined> {
  const tree = join(root, "lib/modules", release());
  const found = await candidate("host", hostKernel(root), tree);
  if (found === undefined) return undefined;
  const modules = async (): Promise<readonly KernelModule[]> => {
    const set = await collectModules(tree);
    if (set.missing.length > 0) throw new IsthmusError("KERNEL_NOT_FOUND", { missing: set.missing });
    return set.modules;
  };
  return { ...found, modules };
}

function hostKernel(root: string): string {
  return join(root, "boot", `${KERNEL_FILE}-${release()}`);
}

/** Changes when `findKernels` would find something else; cheap. */
export function sourcesStamp({ folder, configuredPath, root = "/" }: SourceOptions): string {
  const kept = ["built", "debian"].map((source) => foldersStamp(join(folder, source), KERNEL_FILE));
  return [...kept, configuredPath === undefined ? "" : fileStamp(configuredPath), fileStamp(hostKernel(root))].join("\n");
}

/** All kernels of this host, best first. A configured one that is not there is an error, never passed over. Throws CONFIG_INVALID. */
export async function findKernels(options: SourceOptions): Promise<readonly Candidate[]> {
  const first = options.configuredPath === undefined ? [] : [await configured(options.configuredPath)];
  const [built, debian, own] = await Promise.all([
    kept("built", join(options.folder, "built")),
    kept("debian", join(options.folder, "debian")),
    hostOwn(options.root ?? "/"),
  ]);
  return [...first, ...built, ...debian, ...(own === undefined ? [] : [own])];
}
