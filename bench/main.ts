/** `npm run -s bench -- [SUITE …] [--json]`: runs suites (all by default); with --json one object a suite. */
import { arch, cpus, loadavg, release, totalmem } from "node:os";
import process from "node:process";
import type { Result } from "./result.ts";
import { BenchWorld } from "./world.ts";

type Suite = (world: BenchWorld, rounds: number) => Promise<readonly Result[]>;

const suites: Readonly<Record<string, () => Promise<{ suite: Suite }>>> = {
  boot: () => import("./suites/boot.ts"),
  exec: () => import("./suites/exec.ts"),
  import: () => import("./suites/import.ts"),
  images: () => import("./suites/images.ts"),
  cli: () => import("./suites/cli.ts"),
  memory: () => import("./suites/memory.ts"),
  start: () => import("./suites/start.ts"),
  noise: () => import("./suites/noise.ts"),
  storm: () => import("./suites/storm.ts"),
  volumes: () => import("./suites/volumes.ts"),
  network: () => import("./suites/network.ts"),
};
/** whose machines boot, as what they are held against does */
const booted = new Set(["boot", "volumes", "network"]);
const ROUNDS = Number(process.env.N ?? 7);

const host = {
  cpus: cpus().length,
  model: cpus()[0]?.model ?? "",
  memoryBytes: totalmem(),
  kernel: release(),
  arch: arch(),
  node: process.version,
};
const words = process.argv.slice(2);
const json = words.includes("--json");
const asked = words.filter((word) => !word.startsWith("-"));
const names = asked.length > 0 ? asked : Object.keys(suites);
const unknown = names.filter((name) => !Object.hasOwn(suites, name));

if (unknown.length > 0) {
  console.error(`unknown suite ${unknown.join(", ")}; there are: ${Object.keys(suites).join(", ")}`);
  process.exitCode = 2;
} else {
  for (const name of names) await runSuite(name);
}

async function runSuite(name: string): Promise<void> {
  const before = loadavg();
  await using world = await BenchWorld.start(booted.has(name) ? { ISTHMUS_TEMPLATES: "off" } : {});
  const loaded = await suites[name]?.();
  const results = (await loaded?.suite(world, ROUNDS)) ?? [];
  const load = { before, after: loadavg() };
  if (json) return console.log(JSON.stringify({ suite: name, rounds: ROUNDS, host: { ...host, load }, results }));
  console.log(`\n${name} (${ROUNDS} rounds, load average of 1 min ${before[0]?.toFixed(1)} to ${load.after[0]?.toFixed(1)})`);
  for (const { name: figure, unit, p50, p99, floor, ratio, aim, met, steps, note } of results) {
    const against = floor === undefined ? "" : `, floor ${floor.toFixed(1)}, ratio ${ratio?.toFixed(2)}`;
    console.log(`  ${met ? "met   " : "missed"} ${figure}: ${p50.toFixed(1)} ${unit} (p99 ${p99.toFixed(1)}${against}; aim ${aim})`);
    if (note) console.log(`         ${note}`);
    if (steps)
      console.log(
        `         ${Object.entries(steps)
          .map(([step, ms]) => `${step} ${ms}`)
          .join(", ")}`,
      );
  }
}
