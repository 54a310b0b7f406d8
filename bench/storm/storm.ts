import { hasCode, type Isthmus } from "@isthmus/sdk";
import { inFlight } from "../start/race.ts";
import type { BenchWorld } from "../world.ts";
import { SPEC, STARTS, WEIGHTS } from "./config.ts";
import { watch } from "./threads.ts";

export const tenants = Object.keys(WEIGHTS);

export interface Storm {
  readonly wallMs: number;
  /** how many requests ended so: `running`, or the code of their refusal or failure */
  readonly outcomes: Readonly<Record<string, number>>;
  /** of each tenant, when its starts were let in, s since the storm began */
  readonly admitted: ReadonlyMap<string, readonly number[]>;
  readonly running: ReadonlyMap<string, number>;
  readonly calls: readonly number[];
  /** s since the storm began, ms */
  readonly execs: readonly (readonly [number, number])[];
  readonly memoryFull10: number;
}

/** All starts at once, in turn by tenant, with a machine of another tenant beside them that is used all the time. */
export async function storm(world: BenchWorld): Promise<Storm> {
  const { isthmus } = world;
  for (const [tenant, weight] of Object.entries(WEIGHTS)) await isthmus.quotas.set(tenant, { weight });
  const bystander = await isthmus.machines.run({ ...SPEC, command: [...SPEC.command], name: "bystander", tenant: "other" });
  let after = 0;
  for await (const { seq } of isthmus.events()) after = seq;
  const watching = watch(world.env.ISTHMUS_SOCKET ?? "", "bystander");
  const outcomes: Record<string, number> = {};
  const beganMs = Date.now();
  await Promise.all(
    Array.from({ length: STARTS }, async (_, index) => {
      const told = await outcome(isthmus, tenants[index % tenants.length] ?? "");
      outcomes[told] = (outcomes[told] ?? 0) + 1;
    }),
  );
  const wallMs = Date.now() - beganMs;
  const seen = await watching.stop();
  const running = new Map<string, number>();
  const ids: string[] = [];
  for await (const { id, spec, state } of isthmus.machines.list({ all: true })) {
    if (id === bystander.id) continue;
    ids.push(id);
    if (state === "running") running.set(spec.tenant ?? "", (running.get(spec.tenant ?? "") ?? 0) + 1);
  }
  const admitted = await admissions(isthmus, after, beganMs);
  await inFlight(ids.length, 4, (index) => isthmus.machines.remove(ids[index] ?? "", { force: true }));
  await bystander.remove({ force: true });
  return {
    wallMs,
    outcomes,
    admitted,
    running,
    calls: seen.calls,
    execs: seen.execs.map(([atMs, ms]) => [(atMs - beganMs) / 1000, ms] as const),
    memoryFull10: Math.max(0, ...seen.pressure.filter((value) => !Number.isNaN(value))),
  };
}

async function outcome(isthmus: Isthmus, tenant: string): Promise<string> {
  try {
    return (await isthmus.machines.create({ ...SPEC, command: [...SPEC.command], tenant })).state;
  } catch (error) {
    return hasCode(error) ? error.code : String(error);
  }
}

async function admissions(isthmus: Isthmus, after: number, beganMs: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const admitted = new Map<string, number[]>(tenants.map((tenant) => [tenant, []]));
  for await (const { type, time, details } of isthmus.events({ after }))
    if (type === "machine.admitted") admitted.get(String(details.tenant))?.push((Date.parse(time) - beganMs) / 1000);
  return admitted;
}
