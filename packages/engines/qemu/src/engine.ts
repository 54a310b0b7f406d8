import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasCode, IsthmusError } from "@isthmus/contract";
import type { AcceleratorVerdict, Engine, Kernels, LiveMachine, MachineGroups, StartPlan } from "@isthmus/core";
import { AcceleratorProbe, type WantedAccelerator } from "./accelerator/accelerator.ts";
import { tscReader } from "./accelerator/tsc.ts";
import { adoptMachine } from "./adopt.ts";
import { savedParts } from "./capture/parts.ts";
import { createSaving } from "./capture/saving.ts";
import type { IdleCode } from "./command-line.ts";
import { ADOPT_BUDGET_MS, IDLE_CODE_MS, IDLE_PLUGIN, PORT_ATTEMPTS } from "./config.ts";
import type { EngineLog } from "./engine-log.ts";
import { checkMemory } from "./least-memory.ts";
import { choosePorts } from "./monitor/host-ports.ts";
import { portsOf } from "./monitor/publish.ts";
import { processStatus, vmmsIn, worksIn } from "./process/proc.ts";
import { Spawner } from "./process/spawner.ts";
import { VmmProcess } from "./process/vmm-process.ts";
import { bootMachine } from "./start.ts";
import { StepTimer } from "./step-timer.ts";
import { createCloning } from "./template/cloning.ts";

export interface QemuEngineOptions {
  readonly kernels: Kernels;
  /** for what the engine remembers between starts: which accelerator works */
  readonly stateFolder: string;
  /** changes with each boot of the host */
  readonly bootId: string;
  /** The agent's binary; beside it lies `tsc-khz`, which tells the frequency of the host's time-stamp counter. Without it TCG guests run on q35. */
  readonly agentPath?: string;
  /** default: ISTHMUS_ACCEL, else auto */
  readonly accelerator?: WantedAccelerator;
  /** absent: engine processes stay in the group of this one, without limits */
  readonly groups?: MachineGroups;
  /** false: every engine process is executed by itself; default true */
  readonly forks?: boolean;
  /** ms that a TCG guest is idle before its translated code is given back; "keep": never; default `IDLE_CODE_MS` */
  readonly idleCodeMs?: number | "keep";
  /** ms that a machine which is taken up is waited for; default `ADOPT_BUDGET_MS` */
  readonly adoptBudgetMs?: number;
  readonly log?: EngineLog;
}

export interface QemuEngine extends Engine {
  /** What boots a guest here, by trying it if that was not done since the host's boot. Throws NO_ACCELERATOR, ENGINE_MISSING, KERNEL_NOT_FOUND. */
  accelerator(anew?: boolean): Promise<AcceleratorVerdict>;
  /** QEMU's version. Throws ENGINE_MISSING. */
  version(): Promise<string>;
  /** Ends what only starts need; machines go on. */
  close(): Promise<void>;
}

/** Throws CONFIG_INVALID. */
function wantedAccelerator(value: string | undefined): WantedAccelerator {
  if (value === undefined || value === "") return "auto";
  if (value === "auto" || value === "kvm" || value === "tcg") return value;
  throw new IsthmusError("CONFIG_INVALID", { field: "ISTHMUS_ACCEL", reason: "it is none of auto, kvm, tcg", value });
}

/** Undefined when it is not wanted, or the plugin was not built. */
function idleCodeOf({ agentPath, idleCodeMs = IDLE_CODE_MS }: QemuEngineOptions): IdleCode | undefined {
  if (idleCodeMs === "keep" || agentPath === undefined) return undefined;
  const pluginPath = join(dirname(agentPath), IDLE_PLUGIN);
  return existsSync(pluginPath) ? { pluginPath, afterMs: idleCodeMs } : undefined;
}

/** MicroVMs by QEMU: KVM where a guest really boots with it, else software emulation. Throws CONFIG_INVALID. */
export function createQemuEngine(options: QemuEngineOptions): QemuEngine {
  const { kernels, stateFolder, bootId, groups, adoptBudgetMs: budgetMs = ADOPT_BUDGET_MS } = options;
  const log: EngineLog = options.log ?? (() => {});
  const tscKhz = tscReader(options.agentPath, log);
  const wanted = options.accelerator ?? wantedAccelerator(process.env.ISTHMUS_ACCEL);
  const spawner = new Spawner({ agentPath: options.agentPath, groups, forks: options.forks ?? true, log });
  const probe = new AcceleratorProbe({ stateFolder, bootId, wanted, idleCode: idleCodeOf(options), tscKhz, log });

  const start = async (plan: StartPlan, signal: AbortSignal, template?: string): Promise<LiveMachine> => {
    const timer = new StepTimer();
    const kernel = await kernels.resolve();
    timer.mark("kernel");
    const { variant, verdict } = await probe.choose(kernel);
    timer.mark("accelerator");
    const notes = variant.machineType === "microvm" ? [] : [`runs on ${variant.machineType}: ${verdict.reason}`];
    const parts = savedParts({ qemuVersion: await probe.version(), kernel: kernel.digest, variant });
    for (let attempt = 1; ; attempt += 1) {
      const ports = await choosePorts(portsOf(plan));
      try {
        const guest = { plan, kernel, variant, template, ports, notes, parts, tscKhz: await tscKhz() };
        return await bootMachine({ ...guest, bootId, timer, spawner, groups, agentPath: options.agentPath, signal, log });
      } catch (error) {
        const another = hasCode(error, "PORT_TAKEN") && plan.ports.some(({ host }) => host === 0) && attempt < PORT_ATTEMPTS;
        if (!another) throw error;
      }
    }
  };

  return {
    name: "qemu",
    isolation: "microvm",
    start,
    checkMemory: (shape) => checkMemory(shape, () => kernels.list()),
    cloning: createCloning({ kernels, probe, tscKhz, bootId, spawner, groups }),
    saving: createSaving({ kernels, probe, bootId, spawner, groups, log }),
    adopt: (plan, signal, before) => adoptMachine({ plan, bootId, budgetMs, before, groups, signal, log }),
    processes: async (machinesFolder) => (await vmmsIn(machinesFolder)).map(({ pid, name }) => ({ pid, machineId: name })),
    reap: async (pid, folder) => {
      const startTime = processStatus(pid)?.startTime;
      if ((await worksIn(pid, folder)) && startTime !== undefined) await VmmProcess.adopted(pid, startTime).kill();
    },
    async accelerator(anew = false) {
      if (anew) await probe.forget();
      return (await probe.choose(await kernels.resolve())).verdict;
    },
    version: () => probe.version(),
    close: () => spawner.close(),
  };
}
