import { existsSync } from "node:fs";
import { join } from "node:path";
import { IsthmusError, type Kernel } from "@isthmus/contract";
import type { BootKernel, Kernels } from "@isthmus/core";
import { buildKernel, buildLog } from "./build.ts";
import { BUILD_NAME } from "./config.ts";
import { digestOf, FileDigests } from "./digest.ts";
import { sweepTemporary } from "./durable.ts";
import { fetchDebianKernel } from "./fetch.ts";
import { InitramfsStore } from "./initramfs.ts";
import { type Candidate, findKernels, KERNEL_FILE, sourcesStamp } from "./sources.ts";
import { fileStamp } from "./stamp.ts";

export interface KernelsOptions {
  /** the data folder's `kernels`: holds built/, debian/, initramfs/ */
  readonly folder: string;
  /** the guest agent, a static executable */
  readonly agentPath: string;
  /** a kernel that goes before all others; its modules, when it needs any, in `modules/` with an `order` file beside it */
  readonly configuredPath?: string;
  /** environment for the programs that are run; default the process's own */
  readonly env?: NodeJS.ProcessEnv;
  /** options of a built kernel: guest/kernel/microvm.config of the installation */
  readonly fragmentPath: string;
  /** where the host's own kernel is looked for; default `/` */
  readonly root?: string;
}

const noop = (): void => undefined;

class HostKernels implements Kernels {
  readonly #options: KernelsOptions;
  readonly #digests = new FileDigests();
  readonly #initramfs: InitramfsStore;
  #resolving: Promise<BootKernel> | undefined;
  #found: { readonly kernel: BootKernel; readonly stamp: string; readonly candidate: Candidate } | undefined;
  #sweeping: Promise<void> | undefined;
  #building: { readonly signal?: AbortSignal; readonly done: Promise<void> } | undefined;

  constructor(options: KernelsOptions) {
    this.#options = options;
    this.#initramfs = new InitramfsStore({
      folder: join(options.folder, "initramfs"),
      agentPath: options.agentPath,
      digests: this.#digests,
    });
  }

  /** Every start asks, so what was found goes on being the answer while all files are the same. Callers at the same time share one answer. */
  async resolve(): Promise<BootKernel> {
    const found = this.#found;
    if (found !== undefined && existsSync(found.kernel.initramfsPath) && this.#stamp(found.candidate) === found.stamp) return found.kernel;
    this.#resolving ??= this.#resolve().finally(() => {
      this.#resolving = undefined;
    });
    return await this.#resolving;
  }

  /** Of all that decides on the answer, given which kernel it is. */
  #stamp(candidate: Candidate, sources = sourcesStamp(this.#options)): string {
    return [sources, candidate.modulesKey(), ...this.#initramfs.programs.map(fileStamp)].join("\n");
  }

  async #resolve(): Promise<BootKernel> {
    // What a killed daemon left half-made may be gigabytes; nobody waits for its end.
    this.#sweeping ??= sweepTemporary(this.#options.folder).catch(() => undefined);
    let refusal: unknown;
    // Taken first: what changes while this looks is seen by the next.
    const sources = sourcesStamp(this.#options);
    for (const candidate of await findKernels(this.#options)) {
      try {
        const stamp = this.#stamp(candidate, sources);
        const kernel = await this.#bootable(candidate);
        this.#found = { kernel, candidate, stamp };
        return kernel;
      } catch (error) {
        if (!(error instanceof IsthmusError) || error.code !== "KERNEL_NOT_FOUND") throw error;
        refusal = error;
      }
    }
    throw new IsthmusError("KERNEL_NOT_FOUND", {}, { cause: refusal });
  }

  async #bootable(candidate: Candidate): Promise<BootKernel> {
    const kernelDigest = await this.#digests.of(candidate.path);
    const { path, digest } = await this.#initramfs.ensure(kernelDigest, () => candidate.modules(), candidate.modulesKey());
    return { kernelPath: candidate.path, initramfsPath: path, version: candidate.version, digest: digestOf([kernelDigest, digest]) };
  }

  async list(): Promise<readonly Kernel[]> {
    const candidates = await findKernels(this.#options);
    const selected = await this.resolve().then(
      ({ kernelPath }) => kernelPath,
      () => candidates[0]?.path,
    );
    return Promise.all(
      candidates.map(async ({ version, source, path, sizeBytes }) => ({
        version,
        source,
        path,
        sizeBytes,
        digest: `sha256:${await this.#digests.of(path)}`,
        selected: path === selected,
      })),
    );
  }

  async fetch(onProgress: Parameters<Kernels["fetch"]>[0], signal?: AbortSignal): Promise<Kernel> {
    return this.#listed(await roomFor("a kernel", fetchDebianKernel({ ...this.#options, onProgress, signal })));
  }

  async build(onProgress: Parameters<Kernels["build"]>[0], signal?: AbortSignal): Promise<Kernel> {
    const { folder, fragmentPath } = this.#options;
    // One that was cancelled still removes what it unpacked.
    if (this.#building?.signal?.aborted) await this.#building.done;
    if (this.#building !== undefined) {
      throw new IsthmusError("KERNEL_BUILD_FAILED", { reason: "another build is running", log: buildLog(folder) });
    }
    const work = roomFor(BUILD_NAME, buildKernel({ ...this.#options, fragmentPath, onProgress, signal }));
    const done = work.then(noop, noop).then(() => {
      this.#building = undefined;
    });
    this.#building = { signal, done };
    return this.#listed(await work);
  }

  async #listed(folder: string): Promise<Kernel> {
    const path = join(folder, KERNEL_FILE);
    const found = (await this.list()).find((kernel) => kernel.path === path);
    if (found === undefined) throw new IsthmusError("KERNEL_NOT_FOUND", { path });
    return found;
  }
}

/** Passes a result on; a full disk becomes DISK_FULL. */
async function roomFor<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOSPC") throw new IsthmusError("DISK_FULL", { what }, { cause });
    throw cause;
  }
}

/** Guest kernels of one data folder. */
export function createKernels(options: KernelsOptions): Kernels {
  return new HostKernels(options);
}
