import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KERNELS_KEPT } from "./config.ts";
import { moveUnlessThere, syncTree } from "./durable.ts";
import type { KernelModule } from "./modules.ts";

/** Writes modules and their order into `folder`, the form that findKernels reads. */
export async function writeModules(folder: string, modules: readonly KernelModule[]): Promise<void> {
  await mkdir(folder, { mode: 0o755 });
  for (const { file, content } of modules) await writeFile(join(folder, file), content, { mode: 0o644 });
  await writeFile(join(folder, "order"), modules.map(({ file }) => `${file}\n`).join(""), { mode: 0o644 });
}

/**
 * Moves a finished kernel folder to its place in one step. Names say what is in them, so a folder that is there already is as good; older ones of the
 * same source are removed.
 */
export async function installKernel(finished: string, parent: string, name: string): Promise<string> {
  await mkdir(parent, { recursive: true, mode: 0o755 });
  const target = join(parent, name);
  await syncTree(finished);
  await moveUnlessThere(finished, target);
  const entries = (await readdir(parent)).filter((entry) => !entry.startsWith(".") && entry !== name);
  const aged = await Promise.all(
    entries.map(async (entry) => ({
      path: join(parent, entry),
      madeMs: (await stat(join(parent, entry)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  const old = aged.sort((a, b) => b.madeMs - a.madeMs).slice(KERNELS_KEPT - 1);
  await Promise.all(old.map(({ path }) => rm(path, { recursive: true, force: true })));
  return target;
}
