import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, IsthmusError } from "@isthmus/contract";
import type { MachineGroups, SavedGuest, StartPlan } from "@isthmus/core";
import { type BootVariant, commandLine } from "../command-line.ts";
import { CONFIGURE_DEADLINE_MS, FREEZE_DEADLINE_MS, RESTORED_SETTLE_MS } from "../config.ts";
import type { EngineLog } from "../engine-log.ts";
import type { AgentLink } from "../guest/agent-link.ts";
import { configuration } from "../guest/guest-setup.ts";
import { portsOf, publish } from "../monitor/publish.ts";
import { throttleDisks } from "../monitor/throttle.ts";
import type { Spawner } from "../process/spawner.ts";
import type { QemuMachine } from "../qemu-machine.ts";
import { type Spawned, spawnMachine } from "../start.ts";
import { StepTimer } from "../step-timer.ts";
import { memoryPath, statePath } from "../template/files.ts";
import { loadState } from "../template/restore.ts";
import { unlessItEnds } from "../watched.ts";
import { requireSaved } from "./files.ts";

export interface RestoreRequest {
  readonly plan: StartPlan;
  readonly saved: SavedGuest;
  readonly variant: BootVariant;
  /** of the host */
  readonly bootId: string;
  readonly spawner: Spawner;
  readonly groups?: MachineGroups;
  readonly signal: AbortSignal;
  readonly log: EngineLog;
}

/** A saved guest goes on in the folders of `plan`. Throws SNAPSHOT_UNUSABLE, START_FAILED, START_TIMEOUT, PORT_TAKEN, ENGINE_MISSING, CANCELLED; nothing of it is left then. */
export async function restoreMachine(request: RestoreRequest): Promise<QemuMachine> {
  const { plan, saved, variant, bootId, spawner, groups, signal, log } = request;
  await requireSaved(saved.folder).catch((error: unknown) => {
    throw asUnusable(plan, error);
  });
  const timer = new StepTimer();
  const memoryFile = { path: memoryPath(saved.folder), shared: false };
  const args = commandLine({ ...plan, memoryFile, ports: [] }, variant);
  const restoring = saved.newIdentity ? "clone" : "same";
  const state = {
    phase: "spawning",
    bootId,
    accelerator: variant.accelerator,
    ports: [],
    notes: [],
    timings: {},
    parts: saved.parts,
    restoring,
  } as const;
  const files = { statePath: statePath(saved.folder), memoryPath: memoryPath(saved.folder) };
  return await spawnMachine({ plan, args, saved: files, state, timer, spawner, groups, signal, log }, async (spawned) => {
    const { monitor, watch, link } = spawned;
    await unlessItEnds(watch, loadState(monitor)).catch((error: unknown) => {
      throw asUnusable(plan, error);
    });
    timer.mark("restore");
    await saved.beforePorts?.();
    await spawned.note({ ports: await publish(monitor, portsOf(plan)) });
    await throttleDisks(monitor, plan, variant.machineType);
    await saved.before?.();
    timer.mark("publish");
    await goOn(spawned, saved.newIdentity);
    timer.mark("greeting");
    await unlessItEnds(watch, renew(link, plan, saved.newIdentity));
    timer.mark("configure");
  });
}

function asUnusable(plan: StartPlan, error: unknown): unknown {
  if (hasCode(error, "CANCELLED", "ENGINE_MISSING")) return error;
  return new IsthmusError("SNAPSHOT_UNUSABLE", { name: plan.name, reason: IsthmusError.from(error).message }, { cause: error });
}

/** A suspended guest was left by its host before it was saved; one of a snapshot learns only now that its host is another. */
async function goOn({ monitor, watch, link }: Spawned, hadHost: boolean): Promise<void> {
  await monitor.execute("cont");
  if (hadHost) await sleep(RESTORED_SETTLE_MS);
  await unlessItEnds(watch, link.session());
}

/** Clock and randomness of a guest that was away; of a clone its whole identity too, and then its processes go on. Throws AGENT_REFUSED, AGENT_UNREACHABLE. */
export async function renew(link: AgentLink, plan: StartPlan, newIdentity: boolean): Promise<void> {
  const session = await link.session();
  const { clock, entropy, ...identity } = configuration(plan, Date.now());
  await session.request("configure", { clock, entropy, ...(newIdentity ? identity : {}) }, { deadlineMs: CONFIGURE_DEADLINE_MS });
  if (newIdentity) await session.request("thaw", {}, { deadlineMs: FREEZE_DEADLINE_MS });
}
