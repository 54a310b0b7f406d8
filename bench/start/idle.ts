import { setTimeout as sleep } from "node:timers/promises";
import { type Chart, writeChart } from "../plot/chart.ts";
import { atMost, type Result } from "../result.ts";
import { aims, IDLE, IDLE_MACHINES, IDLE_RAW, MEMORY_STEPS, SETTLE_MS, SPEC, WATCH_MS } from "./config.ts";
import { cpuMs, pssMib, sum } from "./process-use.ts";
import { inFlight } from "./race.ts";
import type { Stage } from "./stage.ts";

type Memory = readonly (readonly [machines: number, mib: number])[];

interface Herd {
  /** of all of them, just after the last of them started */
  readonly started: Memory;
  /** when they have been idle for a while */
  readonly memory: Memory;
  /** processor time of one clone, ms in a second */
  readonly idleMs: number;
}

/** What one more idle clone costs in memory and processor time. */
export async function idleFigures(stage: Stage): Promise<readonly Result[]> {
  const raw = await rawHerd(stage);
  const ours = await ourHerd(stage);
  await writeChart("memory", memoryChart(ours, raw));
  return [
    {
      ...atMost("memory (PSS) more per idle clone", "MiB", slope(ours.memory), aims.pssMib),
      ...against(slope(ours.memory), slope(raw.memory)),
    },
    {
      ...atMost("processor time per idle clone in a second", "ms", ours.idleMs, aims.idleMsPerSecond),
      ...against(ours.idleMs, raw.idleMs),
    },
  ];
}

function against(value: number, floor: number): Pick<Result, "floor" | "ratio"> {
  return { floor, ratio: value / floor };
}

interface Clone {
  readonly pid: number;
  end(): Promise<unknown>;
}

/** Between the first and the last number of clones. */
function slope(memory: Memory): number {
  const [first, last] = [memory[0], memory.at(-1)];
  return first === undefined || last === undefined ? Number.NaN : (last[1] - first[1]) / (last[0] - first[0]);
}

async function ourHerd(stage: Stage): Promise<Herd> {
  const { isthmus } = stage.forked;
  return await herd(IDLE_MACHINES, async () => {
    const machine = await isthmus.machines.run({ ...SPEC, command: [...IDLE] });
    return { pid: machine.info.pid ?? 0, end: () => machine.remove({ force: true }) };
  });
}

async function rawHerd(stage: Stage): Promise<Herd> {
  return await herd(IDLE_RAW, async () => {
    const clone = await stage.raw.restore();
    await clone.start(["/bin/sleep", "100000"]);
    return { pid: clone.qemu.pid, end: () => clone[Symbol.asyncDispose]() };
  });
}

async function herd(count: number, add: () => Promise<Clone>): Promise<Herd> {
  const clones: Clone[] = [];
  const steps = [...MEMORY_STEPS.filter((step) => step < count), count];
  const memoryOfAll = () => [clones.length, sum(clones.map(({ pid }) => pssMib(pid)))] as const;
  const started: Memory[number][] = [];
  const memory: Memory[number][] = [];
  try {
    for (const step of steps) {
      while (clones.length < step) clones.push(await add());
      started.push(memoryOfAll());
    }
    await sleep(SETTLE_MS);
    const idleMs = await idleTime(clones);
    for (const step of steps.toReversed()) {
      await endTo(clones, step);
      memory.unshift(memoryOfAll());
    }
    return { started, memory, idleMs };
  } finally {
    await endTo(clones, 0);
  }
}

async function idleTime(clones: readonly Clone[]): Promise<number> {
  const used = () => sum(clones.map(({ pid }) => cpuMs(pid)));
  const before = used();
  const began = performance.now();
  await sleep(WATCH_MS);
  return (used() - before) / clones.length / ((performance.now() - began) / 1000);
}

async function endTo(clones: Clone[], count: number): Promise<void> {
  const ended = clones.splice(count);
  await inFlight(ended.length, 4, async (index) => void (await ended[index]?.end()));
}

function memoryChart(ours: Herd, raw: Herd): Chart {
  const end = IDLE_MACHINES;
  return {
    title: "Memory of idle machines",
    subtitle: `PSS of all engine processes; 128 MiB guests; ${slope(ours.memory).toFixed(1)} MiB for each further machine`,
    x: { label: "machines" },
    y: { label: "MiB" },
    dots: true,
    series: [
      { name: "Isthmus", points: ours.memory },
      { name: "Isthmus, just started", points: ours.started },
      { name: "raw clones", points: raw.memory },
      {
        name: `aim: ${aims.pssMib} MiB each`,
        dashed: true,
        points: [
          [0, 0],
          [end, end * aims.pssMib],
        ],
      },
    ],
  };
}
