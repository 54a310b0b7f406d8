import { execFile } from "node:child_process";
import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { IsthmusError } from "@isthmus/contract";
import type { BootKernel, GuestShape, TemplateFacts } from "@isthmus/core";
import { saveDevices, synced } from "../capture/devices.ts";
import { agentSocketPath, type BootVariant, commandLine, qmpSocketPath } from "../command-line.ts";
import { HOLES_DEADLINE_MS, QEMU_PROGRAM, REHEARSALS, START_DEADLINE_MS, TEMPLATE_SETTLE_MS } from "../config.ts";
import { AgentLink } from "../guest/agent-link.ts";
import { Monitor } from "../monitor/monitor.ts";
import { quiet } from "../process/quiet.ts";
import type { Spawner } from "../process/spawner.ts";
import { type VmmProcess, vmmWords } from "../process/vmm-process.ts";
import { unlessItEnds, type Watch } from "../watched.ts";
import { memoryPath, statePath } from "./files.ts";
import { rehearse } from "./rehearsal.ts";

export interface MakeRequest {
  readonly shape: GuestShape;
  readonly kernel: BootKernel;
  readonly variant: BootVariant;
  readonly tscKhz?: number;
  readonly spawner: Spawner;
  /** exists, and holds nothing but the disk */
  readonly folder: string;
  readonly socketFolder: string;
  /** the guest's own; without one, a guest that has a disk is saved before it looked at it */
  readonly diskPath?: string;
  readonly signal: AbortSignal;
}

/** Boots a guest of this shape until its agent greets, lets it practise where that leaves nothing on a machine's own disk, and saves it. Throws TEMPLATE_FAILED, CANCELLED, DISK_FULL, ENGINE_MISSING. */
export async function makeTemplate(request: MakeRequest): Promise<TemplateFacts> {
  const { shape, kernel, variant, tscKhz, spawner, folder, socketFolder } = request;
  const blankPath = shape.diskBytes === undefined || request.diskPath !== undefined ? undefined : join(folder, "blank-disk");
  const diskPath = request.diskPath ?? blankPath;
  const link = new AgentLink(agentSocketPath(socketFolder), "the template");
  let vmm: VmmProcess | undefined;
  const monitor = new Monitor(qmpSocketPath(socketFolder), () => vmm?.expectEnd());
  try {
    if (blankPath !== undefined) await blankFile(blankPath, shape.diskBytes ?? 0);
    const layout = { ...shape, name: "template", folder, socketFolder, outputPath: "/dev/null", ports: [], tscKhz };
    const memoryFile = { path: memoryPath(folder), shared: true };
    const args = commandLine({ ...layout, boot: kernel, memoryFile, diskPath }, variant);
    vmm = await spawner.spawn({ words: [QEMU_PROGRAM, ...args], folder, network: shape.network });
    const watch = watchOf(request, vmm);
    const session = await unlessItEnds(watch, link.boot(START_DEADLINE_MS));
    if (blankPath === undefined)
      for (let times = 0; times < REHEARSALS; times += 1) await unlessItEnds(watch, rehearse(session, shape.network));
    link.close();
    await sleep(TEMPLATE_SETTLE_MS);
    await quiet(vmm.pid);
    await unlessItEnds(watch, save(monitor, statePath(folder)));
  } finally {
    link.close();
    monitor.close();
    await vmm?.kill();
    if (blankPath !== undefined) await rm(blankPath, { force: true });
  }
  await digHoles(memoryPath(folder));
  const kept = [memoryPath(folder), statePath(folder), ...(request.diskPath === undefined ? [] : [request.diskPath])];
  let sizeBytes = 0;
  for (const path of kept) {
    await synced(path);
    sizeBytes += await allocated(path);
  }
  return { sizeBytes };
}

async function blankFile(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(sizeBytes);
  } finally {
    await file.close();
  }
}

function watchOf({ folder, signal }: MakeRequest, vmm: VmmProcess): Watch {
  const early = async (status: string | undefined) => {
    const reason = (await vmmWords(folder)) || `QEMU ended (${status ?? "status unknown"})`;
    return new IsthmusError("TEMPLATE_FAILED", { reason });
  };
  return { vmm, signal, what: "making a template", early };
}

/** Stops the guest and writes the state of its devices; its memory is in its file already. */
async function save(monitor: Monitor, path: string): Promise<void> {
  await monitor.execute("stop");
  await saveDevices(monitor, path);
}

/** A booting guest writes zeroes to most of its memory: as holes they cost neither disk nor page cache. */
async function digHoles(path: string): Promise<void> {
  await promisify(execFile)("fallocate", ["--dig-holes", path], { timeout: HOLES_DEADLINE_MS }).catch((cause: unknown) => {
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: "fallocate", reason: String(cause) }, { cause });
  });
}

async function allocated(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
