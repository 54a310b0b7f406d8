import { LIMITS, VICTIM, VICTIMS } from "../noise/config.ts";
import { type Phase, phase } from "../noise/phase.ts";
import { writeChart } from "../plot/chart.ts";
import { informed, quantile, type Result } from "../result.ts";
import type { BenchWorld } from "../world.ts";

/** One machine burns processors, memory and disk; how long an exec in the others takes, with and without limits on it. */
export async function suite(world: BenchWorld): Promise<readonly Result[]> {
  const victims = await Promise.all(
    Array.from({ length: VICTIMS }, () => world.isthmus.machines.run({ ...VICTIM, command: [...VICTIM.command] })),
  );
  for (const victim of victims) await victim.execText(["true"]);
  const quiet = await phase(world, "no neighbour", victims);
  const unlimited = await phase(world, "a noisy neighbour", victims, {});
  const limited = await phase(world, "the same with limits", victims, LIMITS);
  const again = await phase(world, "no neighbour again", victims);
  await plot([quiet, unlimited, limited]);
  return [quiet, unlimited, limited, again].map((one) => figure(one, quiet));
}

const times = ({ execs }: Phase) => execs.map(([, ms]) => ms);

function figure(one: Phase, quiet: Phase): Result {
  const floor = quantile(times(quiet), 0.5);
  const result = informed(`exec, ${one.name}`, "ms", times(one));
  const burner = one.burnerCpu === undefined ? "" : `; the neighbour used ${one.burnerCpu.toFixed(2)} processors`;
  return {
    ...result,
    floor,
    ratio: result.p50 / floor,
    note: `${one.execs.length} execs, slowest ${Math.max(...times(one)).toFixed(0)} ms${burner}`,
  };
}

async function plot(phases: readonly Phase[]): Promise<void> {
  await writeChart("noise", {
    title: "Exec latency beside a machine that burns processors, memory and disk",
    subtitle: `${VICTIMS} idle machines of 1 CPU, 128 MiB, exec of true in turn; the neighbour has 2 CPUs, 512 MiB`,
    x: { label: "s" },
    y: { label: "ms for an exec" },
    series: phases.map((one) => ({ name: one.name, points: one.execs })),
  });
}
