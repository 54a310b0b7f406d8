import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type ErrorCode, hasCode, IsthmusError, type Progress } from "@isthmus/contract";
import { APT_DOWNLOAD_DEADLINE_MS, APT_QUERY_DEADLINE_MS, DOWNLOAD_POLL_MS, NO_SPACE, UNPACK_DEADLINE_MS } from "./config.ts";
import { type ProgramOptions, type ProgramResult, runProgram } from "./program.ts";

export interface AptOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** what a failure becomes; its details carry `reason` */
  readonly failure: (reason: string, cause?: unknown) => IsthmusError;
}

export interface Package {
  readonly name: string;
  readonly version: string;
}

/** Debian's package tools, used as any user may: nothing is installed, the signed lists that the host has are what is trusted. */
export class Apt {
  readonly #options: AptOptions;

  constructor(options: AptOptions) {
    this.#options = options;
  }

  async #run(
    program: string,
    args: readonly string[],
    deadlineMs: number,
    more: Pick<ProgramOptions, "cwd" | "tied"> = {},
  ): Promise<ProgramResult> {
    const { env, signal, failure } = this.#options;
    try {
      const result = await runProgram(program, args, { env, signal, deadlineMs, ...more });
      if (result.code !== 0 && result.stderr.includes(NO_SPACE)) throw new IsthmusError("DISK_FULL", { what: "a kernel package" });
      if (result.code !== 0) throw failure(result.reason);
      return result;
    } catch (cause) {
      if (hasCode(cause, "TIMEOUT" satisfies ErrorCode)) throw failure(`${program} took longer than ${deadlineMs} ms`, cause);
      throw cause;
    }
  }

  /** The package that a metapackage stands for now. */
  async concrete(metapackage: string): Promise<string> {
    const result = await this.#run("apt-cache", ["depends", "--no-recommends", "--no-suggests", metapackage], APT_QUERY_DEADLINE_MS).catch(
      (cause: unknown) => this.#unknown(metapackage, cause),
    );
    const name = /^\s*Depends: ([a-z0-9][a-z0-9.+-]+)$/m.exec(result.stdout)?.[1];
    if (name === undefined) throw this.#options.failure(`apt names no package for ${metapackage}`);
    return name;
  }

  #unknown(name: string, cause: unknown): never {
    if (!(cause instanceof IsthmusError) || !/No packages found/.test(cause.message)) throw cause;
    throw this.#options.failure(`apt knows no package ${name}; its package lists may be empty or old`, cause);
  }

  /** The version that would be downloaded; undefined when apt knows none. */
  async candidate(name: string): Promise<Package | undefined> {
    const result = await this.#run("apt-cache", ["policy", name], APT_QUERY_DEADLINE_MS);
    const version = /^\s*Candidate: (\S+)$/m.exec(result.stdout)?.[1];
    return version === undefined || version === "(none)" ? undefined : { name, version };
  }

  /** Downloads into `folder`, which must be empty, and returns the path of the .deb. */
  async download(wanted: Package, folder: string): Promise<string> {
    const { onProgress, failure } = this.#options;
    const spec = `${wanted.name}=${wanted.version}`;
    const uris = await this.#run("apt-get", ["--print-uris", "download", spec], APT_QUERY_DEADLINE_MS, { cwd: folder });
    const totalBytes = Number(/^'[^']*' \S+ (\d+)/m.exec(uris.stdout)?.[1] ?? 0);
    const poll = setInterval(() => {
      folderBytes(folder)
        .then((doneBytes) => onProgress({ step: "download", message: wanted.name, doneBytes, ...percent(doneBytes, totalBytes) }))
        .catch(() => undefined);
    }, DOWNLOAD_POLL_MS);
    try {
      await this.#run("apt-get", ["-q", "-q", "download", spec], APT_DOWNLOAD_DEADLINE_MS, { cwd: folder, tied: true });
    } finally {
      clearInterval(poll);
    }
    const file = (await readdir(folder)).find((name) => name.endsWith(".deb"));
    if (file === undefined) throw failure(`apt-get download left no file of ${spec}`);
    const { size } = await stat(join(folder, file));
    onProgress({ step: "download", message: wanted.name, doneBytes: size, totalBytes: size, percent: 100 });
    return join(folder, file);
  }

  async unpack(deb: string, folder: string): Promise<void> {
    this.#options.onProgress({ step: "unpack" });
    await this.#run("dpkg-deb", ["-x", deb, folder], UNPACK_DEADLINE_MS, { tied: true });
  }
}

function percent(doneBytes: number, totalBytes: number): { totalBytes?: number; percent?: number } {
  return totalBytes > 0 ? { totalBytes, percent: Math.min(100, Math.floor((100 * doneBytes) / totalBytes)) } : {};
}

async function folderBytes(folder: string): Promise<number> {
  const files = await readdir(folder, { withFileTypes: true, recursive: true });
  const sizes = await Promise.all(
    files.filter((file) => file.isFile()).map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
