import { join } from "node:path";
import { writeChart } from "../plot/chart.ts";
import { Podman } from "../podman.ts";
import { absolute, medians, paired, type Result } from "../result.ts";
import { aims, HELLO, RACE_FACTOR } from "./config.ts";
import { helloContestants, names, rawHelloContestants, type Steps } from "./contestants.ts";
import { distribution } from "./distribution.ts";
import { type Contestant, race, type Samples } from "./race.ts";
import type { Stage } from "./stage.ts";

/** `run` to the first byte of output, against raw clones and podman as far as each is asked for, all in one race. */
export async function firstByteFigures(
  stage: Stage,
  against: { readonly raw: boolean; readonly podman: boolean },
): Promise<readonly Result[]> {
  const steps = { pooled: new Map(), forked: new Map(), restored: new Map() } satisfies AllSteps;
  const podman = against.podman ? await Podman.set(join(stage.restored.home, "podman"), stage.rootfs) : undefined;
  try {
    const contestants: readonly Contestant[] = [
      ...helloContestants(stage, steps),
      ...(against.raw ? rawHelloContestants(stage) : []),
      ...(podman ? [{ name: names.podman, once: () => podman.firstByte(HELLO) }] : []),
    ];
    const samples = await race(contestants, stage.rounds * RACE_FACTOR);
    await writeChart("start-latency", distribution("From the request to the first byte of output", samples));
    return results(samples, steps, against);
  } finally {
    await podman?.leave();
  }
}

type AllSteps = Readonly<Record<"pooled" | "forked" | "restored", Steps>>;

function results(samples: Samples, steps: AllSteps, against: { raw: boolean; podman: boolean }): Result[] {
  const of = (name: string) => samples.get(name) ?? [];
  const figure = "run to first byte";
  return [
    { ...absolute(`${figure}, pooled`, "ms", of(names.pooled), aims.pooledMs), steps: medians(steps.pooled) },
    { ...absolute(`${figure}, not pooled`, "ms", of(names.forked), aims.clonedMs), steps: medians(steps.forked) },
    { ...absolute(`${figure}, no zygote`, "ms", of(names.restored), aims.clonedMs), steps: medians(steps.restored) },
    ...(against.raw
      ? [
          paired(`${figure}, pooled, against a raw clone prepared ahead`, "ms", of(names.pooled), of(names.rawPrepared), aims.againstRaw),
          paired(`${figure}, not pooled, against a raw clone`, "ms", of(names.forked), of(names.raw), aims.againstRaw),
          paired(`${figure}, no zygote, against a raw clone`, "ms", of(names.restored), of(names.raw), aims.againstRaw),
        ]
      : []),
    ...(against.podman
      ? [
          paired(`${figure}, pooled, against podman run`, "ms", of(names.pooled), of(names.podman), aims.againstPodman),
          paired(`${figure}, not pooled, against podman run`, "ms", of(names.forked), of(names.podman), aims.againstPodman),
        ]
      : []),
  ];
}
