import process from "node:process";
import type { Result } from "../result.ts";
import { burstFigures } from "../start/burst.ts";
import { curveFigures } from "../start/curve.ts";
import { firstByteFigures } from "../start/first-byte.ts";
import { idleFigures } from "../start/idle.ts";
import { manyFigures } from "../start/many.ts";
import { savedFigures } from "../start/saved.ts";
import { Stage } from "../start/stage.ts";
import { usefulFigures } from "../start/useful.ts";
import type { BenchWorld } from "../world.ts";

type Figure = (stage: Stage, asked: ReadonlySet<string>) => Promise<readonly Result[]>;

/** `latency` and `podman` are one race when both are asked for. Another figure is a file beside these and a line here. */
const figures: Readonly<Record<string, Figure>> = {
  latency: (stage, asked) => firstByteFigures(stage, { raw: true, podman: asked.has("podman") }),
  podman: async (stage, asked) => (asked.has("latency") ? [] : await firstByteFigures(stage, { raw: false, podman: true })),
  useful: usefulFigures,
  saved: savedFigures,
  burst: burstFigures,
  idle: idleFigures,
  curve: curveFigures,
  many: manyFigures,
};

/** How machines start from templates and pools, what they cost when idle, and how many fit; `ONLY=latency,podman` chooses among the figures. */
export async function suite(world: BenchWorld, rounds: number): Promise<readonly Result[]> {
  const asked = new Set(process.env.ONLY?.split(",") ?? Object.keys(figures));
  const unknown = [...asked].filter((name) => !Object.hasOwn(figures, name));
  if (unknown.length > 0) throw new Error(`unknown figure ${unknown.join(", ")}; there are: ${Object.keys(figures).join(", ")}`);
  await using stage = await Stage.set(world, rounds);
  const results: Result[] = [];
  for (const [name, figure] of Object.entries(figures)) if (asked.has(name)) results.push(...(await figure(stage, asked)));
  return results;
}
