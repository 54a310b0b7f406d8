import { createWriteStream } from "node:fs";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { hasCode, IsthmusError, type Progress } from "@isthmus/contract";
import { Apt, type Package } from "./apt.ts";
import { checkSpace, missingPackages } from "./build-needs.ts";
import { bzImageVersion } from "./bzimage.ts";
import {
  BUILD_DEADLINE_MS,
  BUILD_NAME,
  BUILD_NICENESS,
  BUILD_STEPS,
  NO_SPACE,
  SOURCE_METAPACKAGE,
  SOURCE_PACKAGE,
  UNPACK_DEADLINE_MS,
} from "./config.ts";
import { FileDigests } from "./digest.ts";
import { sweepTemporary, temporaryFolder } from "./durable.ts";
import { installKernel } from "./install.ts";
import { lostOptions } from "./kconfig.ts";
import { runProgram } from "./program.ts";
import { KERNEL_FILE } from "./sources.ts";

export interface BuildOptions {
  /** the data folder's `kernels` */
  readonly folder: string;
  /** guest/kernel/microvm.config */
  readonly fragmentPath: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly onProgress: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Runs one step at the lowest priority, its output going to the log. Throws KERNEL_BUILD_FAILED, DISK_FULL, CANCELLED. */
type Step = (program: string, args: readonly string[], deadlineMs: number, onLine?: (line: string) => void) => Promise<void>;

type Failure = (reason: string, cause?: unknown) => IsthmusError;

async function sourcePackage(apt: Apt, failure: Failure): Promise<Package> {
  const exact = await apt.candidate(SOURCE_PACKAGE);
  if (exact !== undefined) return exact;
  const other = await apt.candidate(await apt.concrete(SOURCE_METAPACKAGE));
  if (other === undefined) throw failure(`apt knows no package ${SOURCE_PACKAGE}; its package lists may be empty or old`);
  return other;
}

/** Downloads and unpacks the source; returns its folder. */
async function source(work: string, apt: Apt, failure: Failure, step: Step): Promise<string> {
  const download = join(work, "download");
  await mkdir(download);
  const deb = await apt.download(await sourcePackage(apt, failure), download);
  await apt.unpack(deb, join(work, "package"));
  const held = join(work, "package/usr/src");
  const archive = (await readdir(held).catch(() => [])).find((name) => name.endsWith(".tar.xz"));
  if (archive === undefined) throw failure("the source package holds no archive");
  await step("tar", ["-xf", join(held, archive), "-C", work], UNPACK_DEADLINE_MS);
  return join(work, archive.replace(/\.tar\.xz$/, ""));
}

/** tinyconfig, then the fragment's lines (the last one of an option counts), then what follows from them. */
async function configure(tree: string, options: BuildOptions, failure: Failure, step: Step): Promise<void> {
  const fragment = await readFile(options.fragmentPath, "utf8");
  const config = join(tree, ".config");
  await step("make", ["-s", "-C", tree, "tinyconfig"], BUILD_DEADLINE_MS);
  await writeFile(config, `${await readFile(config, "utf8")}\n${fragment}`);
  await step("make", ["-s", "-C", tree, "olddefconfig"], BUILD_DEADLINE_MS);
  const lost = lostOptions(fragment, await readFile(config, "utf8"));
  if (lost.length > 0) throw failure(`this source does not take ${lost.join(", ")} of ${options.fragmentPath}`);
}

async function compile(tree: string, options: BuildOptions, step: Step): Promise<void> {
  let lines = 0;
  let shown = -1;
  const onLine = (line: string): void => {
    if (!/^\s+[A-Z]/.test(line)) return;
    lines += 1;
    const percent = Math.min(99, Math.floor((100 * lines) / BUILD_STEPS));
    if (percent === shown) return;
    shown = percent;
    options.onProgress({ step: "compile", message: line.trim(), percent });
  };
  const jobs = `-j${availableParallelism()}`;
  await step("make", [jobs, "-C", tree, "bzImage"], BUILD_DEADLINE_MS, onLine);
}

async function install(tree: string, work: string, folder: string): Promise<string> {
  const image = join(tree, "arch/x86/boot/bzImage");
  const done = join(work, "kernel");
  await mkdir(done, { mode: 0o755 });
  await copyFile(image, join(done, KERNEL_FILE));
  await copyFile(join(tree, ".config"), join(done, "config"));
  const digest = await new FileDigests().of(image);
  return installKernel(done, join(folder, "built"), `${await bzImageVersion(image)}_${digest.slice(0, 12)}`);
}

export function buildLog(folder: string): string {
  return join(folder, "build.log");
}

/**
 * Builds a small kernel, everything built in, out of Debian's source package; about ten minutes on two cores. Nothing is installed on the host.
 * Returns the path of its folder. Throws KERNEL_BUILD_FAILED, DISK_FULL, CANCELLED.
 */
export async function buildKernel(options: BuildOptions): Promise<string> {
  const { folder, onProgress, signal, env } = options;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const logPath = buildLog(folder);
  const failure: Failure = (reason, cause) => new IsthmusError("KERNEL_BUILD_FAILED", { reason, log: logPath }, { cause });
  onProgress({ step: "check" });
  const missing = await missingPackages(env, signal);
  if (missing.length > 0) throw failure(`not everything it needs is installed; run: apt-get install ${missing.join(" ")}`);
  await sweepTemporary(folder);
  await checkSpace(folder);
  await using work = await temporaryFolder(folder);
  const log = createWriteStream(logPath);
  log.on("error", () => undefined);
  const step: Step = async (program, args, deadlineMs, onLine) => {
    log.write(`+ ${program} ${args.join(" ")}\n`);
    try {
      const each = (line: string): void => {
        log.write(`${line}\n`);
        onLine?.(line);
      };
      const result = await runProgram("nice", ["-n", String(BUILD_NICENESS), program, ...args], {
        deadlineMs,
        signal,
        env,
        onLine: each,
        tied: true,
      });
      if (result.code === 0) return;
      if (`${result.stdout}${result.stderr}`.includes(NO_SPACE)) throw new IsthmusError("DISK_FULL", { what: BUILD_NAME });
      throw failure(result.reason);
    } catch (cause) {
      throw hasCode(cause, "TIMEOUT") ? failure(cause.message, cause) : cause;
    }
  };
  try {
    const tree = await source(work.path, new Apt({ env, signal, onProgress, failure }), failure, step);
    onProgress({ step: "configure" });
    await configure(tree, options, failure, step);
    await compile(tree, options, step);
    onProgress({ step: "install", percent: 100 });
    return await install(tree, work.path, folder);
  } finally {
    log.end();
    await finished(log).catch(() => undefined);
  }
}
