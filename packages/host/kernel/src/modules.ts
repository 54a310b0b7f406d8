import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { wantedModules } from "./config.ts";
import { moduleDependencies, moduleName, readModule } from "./module-file.ts";

export interface KernelModule {
  /** file name in the initramfs, `virtio_blk.ko` */
  readonly file: string;
  readonly content: Buffer;
}

export interface ModuleSet {
  /** in the order of loading: what a module depends on comes before it */
  readonly modules: readonly KernelModule[];
  /** needed modules that are neither there nor built in */
  readonly missing: readonly string[];
}

async function filesByName(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const name = entry.isFile() ? moduleName(entry.name) : undefined;
    if (name !== undefined) files.set(name, join(entry.parentPath, entry.name));
  }
  return files;
}

async function builtIn(folder: string): Promise<ReadonlySet<string>> {
  const text = await readFile(join(folder, "modules.builtin"), "utf8").catch(() => "");
  return new Set(text.split("\n").flatMap((line) => moduleName(basename(line)) ?? []));
}

/** The modules a guest wants out of a kernel's tree (`/lib/modules/RELEASE`), uncompressed, with all they depend on. Built-in ones are left out. */
export async function collectModules(tree: string): Promise<ModuleSet> {
  const [files, inKernel] = await Promise.all([filesByName(tree), builtIn(tree)]);
  const modules: KernelModule[] = [];
  const missing: string[] = [];
  const seen = new Set<string>();
  const visit = async (name: string, needed: boolean): Promise<void> => {
    if (seen.has(name) || inKernel.has(name)) return;
    seen.add(name);
    const path = files.get(name);
    if (path === undefined) {
      if (needed) missing.push(name);
      return;
    }
    const content = await readModule(path);
    for (const dependency of moduleDependencies(content)) await visit(dependency, needed);
    modules.push({ file: `${name}.ko`, content });
  };
  for (const wanted of wantedModules) await visit(wanted.name, wanted.needed);
  return { modules, missing };
}

/** The modules of a folder with an `order` file, in that order; none when there is no such file. */
export async function orderedModules(folder: string): Promise<readonly KernelModule[]> {
  const order = await readFile(join(folder, "order"), "utf8").catch(() => "");
  const names = order.split("\n").filter((line) => line !== "");
  return Promise.all(names.map(async (file) => ({ file: basename(file), content: await readModule(join(folder, basename(file))) })));
}
