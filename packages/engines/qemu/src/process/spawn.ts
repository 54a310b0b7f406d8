import { spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import { constants, getPriority, setPriority } from "node:os";
import { basename, join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { MachineGroups } from "@isthmus/core";
import { fileNames, QEMU_PACKAGE, VMM_ENVIRONMENT, VMM_NICENESS } from "../config.ts";
import { processStatus } from "./proc.ts";
import { VmmProcess } from "./vmm-process.ts";

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
export function giveWay(pid: number): void {
  try {
    setPriority(pid, Math.min(constants.priority.PRIORITY_LOW, getPriority() + VMM_NICENESS));
  } catch {
    // It has ended already, which its start will tell.
  }
}
