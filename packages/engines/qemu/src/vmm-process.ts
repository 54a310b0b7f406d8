import { type ChildProcess, spawn } from "node:child_process";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { constants, getPriority, setPriority } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import type { EngineEnd, MachineGroups } from "@isthmus/core";
import {
  ADOPTED_POLL_MS,
  END_LOOKS,
  fileNames,
  KILL_DEADLINE_MS,
  KILL_POLL_MS,
  QEMU_PACKAGE,
  STDERR_TAIL_BYTES,
  VMM_ENVIRONMENT,
  VMM_NICENESS,
} from "./config.ts";
import { processStatus } from "./proc.ts";

/** A VMM process, our child or an earlier daemon's. A pid alone can become another's: its start time goes with it. */
export class VmmProcess {
  readonly pid: number;
  readonly startTime: string;
  /** Never rejects. */
  readonly ended: Promise<EngineEnd>;
  readonly #settle: (end: EngineEnd) => void;
  #poll: NodeJS.Timeout | undefined;
  #unref: () => void = () => {};
  #over = false;
  #released = false;

  private constructor(pid: number, startTime: string) {
    this.pid = pid;
    this.startTime = startTime;
    const { promise, resolve } = Promise.withResolvers<EngineEnd>();
    this.ended = promise;
    this.#settle = (end) => {
      this.#over = true;
      this.release();
      resolve(end);
    };
  }

  /** A process that another daemon started. */
  static adopted(pid: number, startTime: string): VmmProcess {
    const vmm = new VmmProcess(pid, startTime);
    vmm.#poll = setInterval(() => vmm.look(), ADOPTED_POLL_MS);
    return vmm;
  }

  static child(child: ChildProcess, pid: number, startTime: string): VmmProcess {
    const vmm = new VmmProcess(pid, startTime);
    child.once("exit", (code, signal) => vmm.#settle({ status: signal === null ? `exit status ${code}` : `signal ${signal}` }));
    vmm.#unref = () => child.unref();
    return vmm;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Looks now whether the process is still there, not at the next interval. */
  look(): void {
    if (!this.#over && this.#poll !== undefined && !this.#present()) this.#settle({});
  }

  /** The process seems to be ending: looks often for a while. */
  expectEnd(looks = END_LOOKS): void {
    this.look();
    if (this.#over || this.#released || looks <= 0) return;
    setTimeout(() => this.expectEnd(looks - 1), KILL_POLL_MS).unref();
  }

  /** SIGKILL, and waits for the end. Does nothing when the process is gone. Throws TIMEOUT. */
  async kill(): Promise<void> {
    if (this.#over) return;
    if (this.#present()) process.kill(this.pid, "SIGKILL");
    const giveUpAt = performance.now() + KILL_DEADLINE_MS;
    while (!this.#over) {
      this.look();
      if (performance.now() >= giveUpAt)
        throw new IsthmusError("TIMEOUT", { what: `the end of process ${this.pid}`, limit: KILL_DEADLINE_MS });
      await Promise.race([this.ended, sleep(KILL_POLL_MS)]);
    }
  }

  /** Stops looking, and no longer keeps this program alive; the process goes on. */
  release(): void {
    this.#released = true;
    this.#unref();
    clearInterval(this.#poll);
  }

  #present(): boolean {
    return processStatus(this.pid)?.startTime === this.startTime;
  }
}

interface SpawnOptions {
  readonly statePath?: string;
  readonly groups?: MachineGroups;
}

/**
 * Starts the VMM in a session of its own, so that nothing that happens to the daemon or its terminal reaches it. Its words go to a file of `folder`; the
 * file at `statePath` is open for it as `STATE_FD`. With `groups` it has a group of its own from its first moment on, named as the folder, until it ends.
 * Throws ENGINE_MISSING, HOST_COMMAND_FAILED.
 */
export async function spawnVmm(program: string, args: readonly string[], folder: string, options: SpawnOptions = {}): Promise<VmmProcess> {
  const { statePath, groups } = options;
  const log = await open(join(folder, fileNames.vmmLog), "w", 0o600);
  let state: FileHandle | undefined;
  try {
    state = statePath === undefined ? undefined : await open(statePath, "r");
    const stdio = ["ignore", log.fd, log.fd, ...(state === undefined ? [] : [state.fd])] as const;
    const child = spawn(program, args, { detached: true, cwd: folder, env: { ...VMM_ENVIRONMENT, ...process.env }, stdio: [...stdio] });
    const spawned = new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    if (child.pid !== undefined) {
      groups?.enter(basename(folder), child.pid);
      giveWay(child.pid);
    }
    const startTime = child.pid === undefined ? undefined : processStatus(child.pid)?.startTime;
    const vmm = child.pid === undefined ? undefined : VmmProcess.child(child, child.pid, startTime ?? "");
    await spawned.catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") throw new IsthmusError("ENGINE_MISSING", { program, package: QEMU_PACKAGE }, { cause });
      throw new IsthmusError("HOST_COMMAND_FAILED", { program, reason: cause.message }, { cause });
    });
    if (vmm === undefined) throw new IsthmusError("HOST_COMMAND_FAILED", { program, reason: "it has no pid" });
    void vmm.ended.then(() => groups?.leave(vmm.pid));
    return vmm;
  } finally {
    await log.close();
    await state?.close();
  }
}

/** While it is one thread yet: the others come to have what it has. */
function giveWay(pid: number): void {
  try {
    setPriority(pid, Math.min(constants.priority.PRIORITY_LOW, getPriority() + VMM_NICENESS));
  } catch {
    // It has ended already, which its start will tell.
  }
}

/** The last of what the VMM said. */
export async function vmmWords(folder: string): Promise<string> {
  try {
    const words = (await readFile(join(folder, fileNames.vmmLog))).subarray(-STDERR_TAIL_BYTES).toString("utf8").trim();
    return words.replaceAll(/^qemu-system-\w+: /gm, "");
  } catch {
    return "";
  }
}
