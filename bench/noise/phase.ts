import { setTimeout as sleep } from "node:timers/promises";
import type { Resources } from "@isthmus/contract";
import type { RunningMachine } from "@isthmus/sdk";
import { type BenchWorld, time } from "../world.ts";
import { BURNER, EXEC_EVERY_MS, PHASE_MS, SETTLE_MS } from "./config.ts";

/** One way in which a machine troubles the others, or none does. */
export interface Phase {
  readonly name: string;
  /** s since the phase began, and ms that an exec took */
  readonly execs: readonly (readonly [atS: number, ms: number])[];
  /** what the burner used at the end, in parts of a processor */
  readonly burnerCpu?: number;
}

/** Execs in the victims in turn, while one machine burns what it can; `limits` undefined: there is none. */
export async function phase(world: BenchWorld, name: string, victims: readonly RunningMachine[], limits?: Resources): Promise<Phase> {
  if (limits === undefined) return { name, execs: await execs(victims) };
  await using burner = await world.isthmus.machines.run({ ...BURNER, command: [...BURNER.command], resources: limits });
  await sleep(SETTLE_MS);
  const found = await execs(victims);
  const { machines } = await world.isthmus.host.pressure();
  return { name, execs: found, burnerCpu: machines.find(({ id }) => id === burner.id)?.cpuPart ?? Number.NaN };
}

async function execs(victims: readonly RunningMachine[]): Promise<[number, number][]> {
  const found: [number, number][] = [];
  const began = performance.now();
  for (let turn = 0; performance.now() - began < PHASE_MS; turn += 1) {
    const at = (performance.now() - began) / 1000;
    const victim = victims[turn % victims.length];
    found.push([at, await time(async () => await victim?.execText(["true"]))]);
    await sleep(EXEC_EVERY_MS);
  }
  return found;
}
