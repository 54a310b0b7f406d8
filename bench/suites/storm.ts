import { writeChart } from "../plot/chart.ts";
import { absolute, atMost, informed, quantile, type Result } from "../result.ts";
import { aims, MODES, STARTS, WEIGHTS } from "../storm/config.ts";
import { type Storm, storm, tenants } from "../storm/storm.ts";
import type { BenchWorld } from "../world.ts";

/** Hundreds of starts at once from tenants of different weight, and the same without the limiter of starts in flight. */
export async function suite(world: BenchWorld): Promise<readonly Result[]> {
  const results: Result[] = [];
  const storms = new Map<string, Storm>();
  for (const { name, env } of MODES) {
    await world.restart(env);
    const seen = await storm(world);
    storms.set(name, seen);
    results.push(...figures(name, seen));
  }
  await plots(storms);
  return results;
}

const ends = new Set(["running", "NO_CAPACITY", "TOO_MANY_REQUESTS", "QUOTA_REACHED", "HOST_PRESSURE"]);

function figures(mode: string, { outcomes, wallMs, execs, calls, memoryFull10, running, admitted }: Storm): Result[] {
  const name = (text: string) => `${STARTS} starts at once, ${mode}: ${text}`;
  const told = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  const others = Object.entries(outcomes).reduce((sum, [outcome, count]) => sum + (ends.has(outcome) ? 0 : count), 0);
  const times = execs.map(([, ms]) => ms);
  const shares = sharesOf(admitted);
  const worst = Math.max(...shares.map(({ part }) => Math.abs(part - 1)));
  return [
    { ...atMost(name("neither running nor refused with a reason"), "starts", others, 0), note: told.join(", ") },
    informed(name("until all had their answer"), "s", [wallMs / 1000]),
    {
      ...atMost(name("farthest that a tenant's share is from its weight's"), "parts", worst, aims.sharePart),
      note: shares.map(({ tenant, part }) => `${tenant}: ${part.toFixed(2)} of its share, ${running.get(tenant) ?? 0} run`).join("; "),
    },
    atMost(name("memory pressure, full avg10, most"), "%", memoryFull10, aims.memoryFull10),
    {
      ...atMost(name("exec in an unrelated machine, p99"), "ms", quantile(times, 0.99), aims.execMs),
      note: `${times.length} execs, median ${quantile(times, 0.5).toFixed(1)} ms`,
    },
    {
      ...absolute(name("calls of the daemon"), "ms", calls, aims.callMs),
      note: `${calls.length} calls, p99 ${quantile(calls, 0.99).toFixed(1)} ms`,
    },
  ];
}

/** While all of them had starts that waited: up to when the first tenant had all that it asked for. 1 is what the weight says. */
function sharesOf(admitted: Storm["admitted"]): { readonly tenant: string; readonly part: number }[] {
  const asked = Math.floor(STARTS / tenants.length);
  const untilS = Math.min(...[...admitted.values()].map((times) => times.toSorted((a, b) => a - b)[asked - 1] ?? Number.POSITIVE_INFINITY));
  const counts = Object.keys(WEIGHTS).map((tenant) => (admitted.get(tenant) ?? []).filter((time) => time <= untilS).length);
  const all = counts.reduce((sum, count) => sum + count, 0);
  const weights = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);
  return Object.entries(WEIGHTS).map(([tenant, weight], index) => ({ tenant, part: (counts[index] ?? 0) / all / (weight / weights) }));
}

async function plots(storms: ReadonlyMap<string, Storm>): Promise<void> {
  const cumulative = (times: readonly number[]) => [...times].sort((a, b) => a - b).map((time, index) => [time, index + 1] as const);
  for (const [mode, { admitted }] of storms)
    await writeChart(`storm-shares-${mode.replace(" ", "-")}`, {
      title: `Starts let in, by tenant (${mode})`,
      subtitle: `${STARTS} starts at once from three tenants of weights 1, 2 and 4`,
      x: { label: "seconds since the storm began" },
      y: { label: "starts let in" },
      series: tenants
        .map((tenant) => ({ name: tenant, points: cumulative(admitted.get(tenant) ?? []) }))
        .filter(({ points }) => points.length > 0),
    });
  await writeChart("storm-exec", {
    title: "exec of `true` in an unrelated machine during the storm",
    subtitle: "with the adaptive limiter, and with nothing that holds starts back",
    x: { label: "seconds since the storm began" },
    y: { label: "ms" },
    series: [...storms].map(([name, { execs }]) => ({ name, points: execs })).filter(({ points }) => points.length > 0),
  });
}
