import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { IsthmusError, type Progress } from "@isthmus/contract";
import { Apt } from "./apt.ts";
import { DEBIAN_KERNEL_METAPACKAGE, MODULES_LAYOUT } from "./config.ts";
import { sweepTemporary, temporaryFolder } from "./durable.ts";
import { installKernel, writeModules } from "./install.ts";
import { collectModules } from "./modules.ts";
import { KERNEL_FILE } from "./sources.ts";

export interface FetchOptions {
  /** the data folder's `kernels` */
  readonly folder: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly onProgress: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

function failure(reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("KERNEL_FETCH_FAILED", { reason }, { cause });
}

async function onlyEntry(folder: string, prefix: string): Promise<string> {
  const name = (await readdir(folder).catch(() => [])).find((entry) => entry.startsWith(prefix));
  if (name === undefined) throw failure(`the package holds no ${prefix} in ${folder}`);
  return join(folder, name);
}

/** Modules are under /lib in Debian 12 and under /usr/lib from 13 on. */
async function moduleTree(unpacked: string): Promise<string> {
  const usr = join(unpacked, "usr/lib/modules");
  const merged = await stat(usr).catch(() => undefined);
  return onlyEntry(merged === undefined ? join(unpacked, "lib/modules") : usr, "");
}

/** Lays out the kernel of an unpacked Debian package in `target`. Throws KERNEL_FETCH_FAILED when it lacks what a guest needs. */
export async function layOut(unpacked: string, target: string): Promise<void> {
  const { modules, missing } = await collectModules(await moduleTree(unpacked));
  if (missing.length > 0) throw failure(`the package lacks modules that a guest needs: ${missing.join(", ")}`);
  await mkdir(target, { mode: 0o755 });
  await copyFile(await onlyEntry(join(unpacked, "boot"), `${KERNEL_FILE}-`), join(target, KERNEL_FILE));
  await writeModules(join(target, "modules"), modules);
}

/** Downloads Debian's current kernel for virtual machines and keeps what a guest needs of it. Returns the path of its folder. Throws KERNEL_FETCH_FAILED, CANCELLED. */
export async function fetchDebianKernel(options: FetchOptions): Promise<string> {
  const { folder, onProgress } = options;
  const apt = new Apt({ ...options, failure });
  onProgress({ step: "resolve", message: DEBIAN_KERNEL_METAPACKAGE });
  const name = await apt.concrete(DEBIAN_KERNEL_METAPACKAGE);
  const wanted = await apt.candidate(name);
  if (wanted === undefined) throw failure(`apt knows no package ${name}; its package lists may be old`);
  const parent = join(folder, "debian");
  const label = `${name.replace(/^linux-image-/, "")}_${wanted.version.replace(/[^\w.+~-]/g, "_")}_m${MODULES_LAYOUT}`;
  if ((await stat(join(parent, label)).catch(() => undefined)) !== undefined) {
    onProgress({ step: "install", message: `${label} is here already`, percent: 100 });
    return join(parent, label);
  }
  await sweepTemporary(folder);
  await using work = await temporaryFolder(folder);
  const download = join(work.path, "download");
  await mkdir(download);
  const deb = await apt.download(wanted, download);
  await apt.unpack(deb, join(work.path, "unpacked"));
  onProgress({ step: "install", message: label });
  await layOut(join(work.path, "unpacked"), join(work.path, "kernel"));
  return await installKernel(join(work.path, "kernel"), parent, label);
}
