import { hasCode } from "@isthmus/contract";
import type { Engine, LiveMachine, Log, PreparedClone, StartPlan } from "../machine/ports.ts";
import type { GuestShape } from "./shape.ts";
import type { Templates } from "./templates.ts";

export type StartedFrom = "boot" | "template" | "zygote" | "pool" | "snapshot" | "suspension";

export interface Begun {
  readonly live: LiveMachine;
  readonly startedFrom: StartedFrom;
  /** why the machine was not cloned, for its user */
  readonly notes: readonly string[];
}

export interface StartParts {
  readonly engine: Engine;
  readonly templates?: Templates;
  readonly imageDigest: string;
  /** stands ready in the machine's folders */
  readonly prepared?: PreparedClone;
  /** Forks a clone of the template in the machine's folders, disk and all, where that can be. */
  readonly fork?: (key: string, plan: StartPlan) => Promise<PreparedClone | undefined>;
  /** Makes the machine's disk, a copy of the one given or an empty one, in place of any; absent when the machine keeps the one that it has. */
  readonly newDisk?: (copyOf?: string) => Promise<void>;
  readonly log: Log;
}

/** The part of a plan that decides which machines can be cloned from the same template. */
export function shapeOf(plan: StartPlan, keepsDisk = false): GuestShape {
  const { rootfsPath, cpus, memoryBytes, diskBytes, network, volumes } = plan;
  const disk = diskBytes === undefined ? {} : { diskBytes, ...(keepsDisk && { keptDisk: true as const }) };
  const places = volumes.length === 0 ? {} : { volumePlaces: volumes.length };
  return { rootfsPath, cpus, memoryBytes, network, ...disk, ...places };
}

/** Takes the clone that was prepared, or clones the machine where that can be, else boots it; a template that fails is set aside and the machine boots. Throws what the engine's `start` throws. */
export async function begin(parts: StartParts, plan: StartPlan, signal: AbortSignal): Promise<Begun> {
  const { engine, templates, imageDigest, newDisk } = parts;
  const pooled = await ofClone(parts, "pool", plan, signal, async () => parts.prepared);
  if (pooled !== undefined) return pooled;
  const { cloning } = engine;
  const boot = async (notes: readonly string[]): Promise<Begun> => {
    await newDisk?.();
    return { live: await engine.start(plan, signal), startedFrom: "boot", notes };
  };
  if (cloning === undefined || templates === undefined) return await boot([]);
  if (plan.shares.length > 0)
    return await boot(["booted, not cloned: it has paths of the host, and shares its memory with the program that reads them"]);
  const keepsDisk = newDisk === undefined;
  const answer = await templates.acquire({ cloning, shape: shapeOf(plan, keepsDisk), imageDigest }, signal);
  if (answer === undefined) return await boot([]);
  if ("without" in answer) return await boot([`booted, not cloned: ${answer.without}`]);
  // A zygote's guest has its own disk in use, which can be copied, not exchanged.
  const mayFork = plan.diskBytes === undefined || !keepsDisk;
  const forked = await ofClone(parts, "zygote", plan, signal, async () => (mayFork ? parts.fork?.(answer.key, plan) : undefined));
  if (forked !== undefined) return forked;
  await newDisk?.(answer.diskPath);
  try {
    return { live: await engine.start(plan, signal, answer.folder), startedFrom: "template", notes: [] };
  } catch (error) {
    if (!hasCode(error, "TEMPLATE_FAILED") || signal.aborted) throw error;
    await templates.quarantine(answer.key, error);
    return await boot([`booted, not cloned: ${error.message}`]);
  }
}

/** Undefined when there is no such clone, or it failed: another way is taken then. */
async function ofClone(
  { log }: StartParts,
  startedFrom: "pool" | "zygote",
  plan: StartPlan,
  signal: AbortSignal,
  take: () => Promise<PreparedClone | undefined>,
): Promise<Begun | undefined> {
  const clone = await take();
  if (clone === undefined) return undefined;
  try {
    return { live: await clone.start(plan, signal), startedFrom, notes: [] };
  } catch (error) {
    if (!hasCode(error, "TEMPLATE_FAILED") || signal.aborted) throw error;
    log.warn({ machine: plan.id, err: error }, "a prepared clone failed; another way is taken");
    return undefined;
  }
}
