import { mkdir, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import { INITRAMFS_KEPT, INITRAMFS_LAYOUT, INITRAMFS_MAX_BYTES } from "./config.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";
import { digestOf, type FileDigests } from "./digest.ts";
import { sweepTemporary, writeWhole } from "./durable.ts";
import type { KernelModule } from "./modules.ts";

const SUFFIX = ".cpio";
/** What the agent runs for archives, mounts and figures, built beside it. */
const TASK_PROGRAM = "isthmus-task";

/** What the guest protocol's "Boot" asks for: the agent as /init, its task program, its modules and their order, and a console for the kernel to open. */
function entries(agent: Buffer, task: Buffer, modules: readonly KernelModule[]): readonly CpioEntry[] {
  const list: CpioEntry[] = [
    { type: "directory", name: "dev", mode: 0o755 },
    { type: "device", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { type: "file", name: "init", mode: 0o755, content: agent },
    { type: "file", name: "task", mode: 0o755, content: task },
  ];
  if (modules.length === 0) return list;
  const order = modules.map(({ file }) => `${file}\n`).join("");
  list.push(
    { type: "directory", name: "modules", mode: 0o755 },
    { type: "file", name: "modules/order", mode: 0o644, content: Buffer.from(order) },
  );
  for (const { file, content } of modules) list.push({ type: "file", name: `modules/${file}`, mode: 0o644, content });
  return list;
}

/** The initramfs files of one data folder, named by what they were made of. Not compressed: a boot is no faster with 1.5 MB either way. */
export class InitramfsStore {
  readonly #folder: string;
  /** executables, from which every one is made */
  readonly programs: readonly [agent: string, task: string];
  readonly #digests: FileDigests;

  constructor(options: { folder: string; agentPath: string; digests: FileDigests }) {
    this.#folder = options.folder;
    this.programs = [options.agentPath, join(dirname(options.agentPath), TASK_PROGRAM)];
    this.#digests = options.digests;
  }

  /** Made when it is not there yet. `kernelDigest` only keeps apart what belongs to different kernels. Throws AGENT_BINARY_MISSING, DISK_FULL. */
  async ensure(
    kernelDigest: string,
    modules: () => Promise<readonly KernelModule[]>,
    modulesKey: string,
  ): Promise<{ path: string; digest: string }> {
    const [agent, program] = this.programs;
    const programDigests = [await this.#digestOf(agent), await this.#digestOf(program)];
    const digest = digestOf([`layout ${INITRAMFS_LAYOUT}`, ...programDigests, kernelDigest, modulesKey]);
    const path = join(this.#folder, digest + SUFFIX);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) {
      const now = new Date();
      await utimes(path, now, now);
      return { path, digest };
    }
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    const archive = cpioArchive(entries(await readFile(agent), await readFile(program), await modules()));
    if (archive.length > INITRAMFS_MAX_BYTES) {
      throw new IsthmusError("TOO_LARGE", { field: "the initramfs", value: archive.length, limit: INITRAMFS_MAX_BYTES });
    }
    try {
      await writeWhole(path, archive);
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOSPC")
        throw new IsthmusError("DISK_FULL", { what: path }, { cause });
      throw cause;
    }
    await this.#sweep();
    return { path, digest };
  }

  async #digestOf(path: string): Promise<string> {
    try {
      return await this.#digests.of(path);
    } catch (cause) {
      throw new IsthmusError("AGENT_BINARY_MISSING", { path }, { cause });
    }
  }

  async #sweep(): Promise<void> {
    await sweepTemporary(this.#folder);
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith(SUFFIX));
    const aged = await Promise.all(
      names.map(async (name) => ({
        path: join(this.#folder, name),
        usedMs: (await stat(join(this.#folder, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    const old = aged.sort((a, b) => b.usedMs - a.usedMs).slice(INITRAMFS_KEPT);
    await Promise.all(old.map(({ path }) => rm(path, { force: true })));
  }
}
