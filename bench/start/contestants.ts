import type { FollowedMachine, RunningMachine } from "@isthmus/sdk";
import type { RawClone } from "../raw/clone.ts";
import { execute } from "../raw/workload.ts";
import type { BenchWorld } from "../world.ts";
import { HELLO, IDLE, SPEC, USEFUL } from "./config.ts";
import type { Contestant } from "./race.ts";
import type { Stage } from "./stage.ts";

/** Steps of the daemon's own time, ms each, of every start that was measured. */
export type Steps = Map<string, number[]>;

export const names = {
  pooled: "Isthmus, pooled",
  forked: "Isthmus, not pooled",
  restored: "Isthmus, no zygote",
  rawPrepared: "raw clone, prepared",
  raw: "raw clone",
  podman: "podman",
} as const;

/** Waits for the first byte of output. */
export async function firstByte(machine: FollowedMachine): Promise<void> {
  for await (const line of machine.output) if (line.text !== "") return;
}

async function ours<T extends RunningMachine>(
  run: () => Promise<T>,
  from: string,
  until: (machine: T) => Promise<unknown>,
): Promise<{ ms: number; steps: Record<string, number> }> {
  const began = performance.now();
  const machine = await run();
  const ran = performance.now();
  await until(machine);
  const ms = performance.now() - began;
  const { startedFrom, timings } = await machine.inspect();
  await machine.remove({ force: true });
  if (startedFrom !== from) throw new Error(`a machine that should have been started from ${from} was started from ${startedFrom}`);
  return { ms, steps: { ...timings, "run as the SDK sees it": ran - began, "from there to the end": ms - (ran - began) } };
}

const hello = ({ isthmus }: BenchWorld) => isthmus.machines.run({ ...SPEC, command: [...HELLO] }, { follow: true });
const idle = ({ isthmus }: BenchWorld) => isthmus.machines.run({ ...SPEC, command: [...IDLE] });

function noted(steps: Steps, { ms, steps: seen }: Awaited<ReturnType<typeof ours>>): number {
  for (const [step, took] of Object.entries(seen)) steps.set(step, [...(steps.get(step) ?? []), took]);
  return ms;
}

/** `run` to the first byte of output, as the SDK sees it. */
export function helloContestants(stage: Stage, steps: Readonly<Record<"pooled" | "forked" | "restored", Steps>>): readonly Contestant[] {
  return [
    pooled(stage, async () => noted(steps.pooled, await ours(() => hello(stage.pooled), "pool", firstByte))),
    { name: names.forked, once: async () => noted(steps.forked, await ours(() => hello(stage.forked), "zygote", firstByte)) },
    { name: names.restored, once: async () => noted(steps.restored, await ours(() => hello(stage.restored), "template", firstByte)) },
  ];
}

export function rawHelloContestants(stage: Stage): readonly Contestant[] {
  const hello = async (clone: RawClone) => {
    await clone.start(["/bin/sh", ...HELLO.slice(1)]);
    await clone.qemu.printed("hi\n");
  };
  return rawContestants(stage, hello);
}

/** `run` to the end of a first useful command. */
export function usefulContestants(stage: Stage): readonly Contestant[] {
  const useful = (machine: RunningMachine) => machine.execText(USEFUL);
  const byHand = async (clone: RawClone) => {
    await clone.start(["/bin/sleep", "1000"]);
    await execute(clone.session, ["/bin/sh", ...USEFUL.slice(1)]);
  };
  return [
    pooled(stage, async () => (await ours(() => idle(stage.pooled), "pool", useful)).ms),
    { name: names.forked, once: async () => (await ours(() => idle(stage.forked), "zygote", useful)).ms },
    { name: names.restored, once: async () => (await ours(() => idle(stage.restored), "template", useful)).ms },
    ...rawContestants(stage, byHand),
  ];
}

function pooled(stage: Stage, measure: () => Promise<number>): Contestant {
  const once = async () => {
    await stage.poolIsFull();
    return await measure();
  };
  return { name: names.pooled, once };
}

function rawContestants(stage: Stage, work: (clone: RawClone) => Promise<void>): readonly Contestant[] {
  return [
    {
      name: names.rawPrepared,
      once: async () => {
        await using clone = await stage.raw.prepare();
        const began = performance.now();
        await clone.wake();
        await work(clone);
        return performance.now() - began;
      },
    },
    {
      name: names.raw,
      once: async () => {
        const began = performance.now();
        await using clone = await stage.raw.restore();
        await work(clone);
        return performance.now() - began;
      },
    },
  ];
}
