import { setTimeout as sleep } from "node:timers/promises";
import { type Chart, writeChart } from "../plot/chart.ts";
import type { RawClone } from "../raw/clone.ts";
import { atMost, type Result } from "../result.ts";
import { aims, IDLE, IDLE_MACHINES, IDLE_RAW, MEMORY_STEPS, SETTLE_MS, SPEC, WATCH_MS } from "./config.ts";
import { cpuMs, pssMib, sum } from "./process-use.ts";
import { inFlight } from "./race.ts";
import type { Stage } from "./stage.ts";

interface Herd {
  /** number of clones and the memory of all of them, MiB */
  readonly memory: readonly (readonly [number, number])[];
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

/** Between the first and the last number of clones. */
function slope(memory: Herd["memory"]): number {
  const [first, last] = [memory[0], memory.at(-1)];
  return first === undefined || last === undefined ? Number.NaN : (last[1] - first[1]) / (last[0] - first[0]);
}

async function ourHerd(stage: Stage): Promise<Herd> {
  const { isthmus } = stage.cloned;
  const ids: string[] = [];
  const add = async () => {
    const machine = await isthmus.machines.run({ ...SPEC, command: [...IDLE] });
    ids.push(machine.id);
    return machine.info.pid ?? 0;
  };
  try {
    return await herd(IDLE_MACHINES, add);
  } finally {
    await inFlight(ids.length, 4, (index) => isthmus.machines.remove(ids[index] ?? "", { force: true }));
  }
}

async function rawHerd(stage: Stage): Promise<Herd> {
  const clones: RawClone[] = [];
  const add = async () => {
    const clone = await stage.raw.restore();
    clones.push(clone);
    await clone.start(["/bin/sleep", "100000"]);
    return clone.qemu.pid;
  };
  try {
    return await herd(IDLE_RAW, add);
  } finally {
    await Promise.all(clones.map((clone) => clone[Symbol.asyncDispose]()));
  }
}

async function herd(count: number, add: () => Promise<number>): Promise<Herd> {
  const pids: number[] = [];
  const memory: [number, number][] = [];
  for (const step of [...MEMORY_STEPS.filter((step) => step < count), count]) {
    while (pids.length < step) pids.push(await add());
    memory.push([step, sum(pids.map(pssMib))]);
  }
  await sleep(SETTLE_MS);
  const before = sum(pids.map(cpuMs));
  const began = performance.now();
  await sleep(WATCH_MS);
  const seconds = (performance.now() - began) / 1000;
  const idleMs = (sum(pids.map(cpuMs)) - before) / count / seconds;
  memory[memory.length - 1] = [count, sum(pids.map(pssMib))];
  return { memory, idleMs };
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
