import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { BootKernel } from "@isthmus/core";
import { agentSocketPath, type BootVariant, commandLine } from "../command-line.ts";
import { PROBE_MEMORY_BYTES, QEMU_PROGRAM } from "../config.ts";
import { AgentLink } from "../guest/agent-link.ts";
import { processStatus, vmmsIn } from "../process/proc.ts";
import { spawnVmm } from "../process/spawn.ts";
import { VmmProcess, vmmWords } from "../process/vmm-process.ts";
import { PROBE_ROOT } from "./probe-root.ts";

const FOLDER_PREFIX = "probe-";

export interface ProbeRequest {
  readonly kernel: BootKernel;
  readonly variant: BootVariant;
  readonly tscKhz?: number;
  readonly stateFolder: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** Boots the real guest kernel and agent once, without a workload. Undefined when the guest answered, else why not. Throws ENGINE_MISSING. */
export async function probeBoot(request: ProbeRequest): Promise<string | undefined> {
  const { kernel, variant, tscKhz, stateFolder, deadlineMs, signal } = request;
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(stateFolder, FOLDER_PREFIX));
  const socketFolder = await mkdtemp(join(tmpdir(), "isthmus-"));
  const rootfsPath = join(folder, "root.squashfs");
  const link = new AgentLink(agentSocketPath(socketFolder), "the probe");
  let vmm: VmmProcess | undefined;
  try {
    await writeFile(rootfsPath, PROBE_ROOT);
    const shape = { cpus: 1, memoryBytes: PROBE_MEMORY_BYTES, network: "none", ports: [], outputPath: "/dev/null" } as const;
    const args = commandLine({ boot: kernel, ...shape, name: "probe", folder, socketFolder, rootfsPath, tscKhz }, variant);
    vmm = await spawnVmm(QEMU_PROGRAM, args, folder);
    return await firstOf(vmm, link, folder, deadlineMs, signal);
  } finally {
    link.close();
    await vmm?.kill().catch(() => {});
    await Promise.all([folder, socketFolder].map((path) => rm(path, { recursive: true, force: true })));
  }
}

async function firstOf(
  vmm: VmmProcess,
  link: AgentLink,
  folder: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const onAbort = () => resolve("it was cancelled");
  const timer = setTimeout(() => resolve(`the guest did not answer within ${deadlineMs} ms`), deadlineMs);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  void vmm.ended.then(async ({ status }) => resolve(`QEMU ended: ${(await vmmWords(folder)).split("\n", 1)[0] || status}`));
  const greeted = link.boot(deadlineMs).then(
    () => undefined,
    (error: unknown) => IsthmusError.from(error).message,
  );
  try {
    return await Promise.race([greeted, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Ends the probes of a daemon that died over them. */
export async function sweepProbes(stateFolder: string): Promise<void> {
  for (const { pid, name } of await vmmsIn(stateFolder)) {
    if (!name.startsWith(FOLDER_PREFIX)) continue;
    const startTime = processStatus(pid)?.startTime;
    if (startTime !== undefined) await VmmProcess.adopted(pid, startTime).kill();
    await rm(join(stateFolder, name), { recursive: true, force: true });
  }
}
