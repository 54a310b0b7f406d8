import { setTimeout as sleep } from "node:timers/promises";
import type { MachineHandle } from "@isthmus/sdk";
import { writeChart } from "../plot/chart.ts";
import { atMost, exactly, informed, quantile, type Result } from "../result.ts";
import { aims, IDLE, MANY_EXECS_IN_FLIGHT, MANY_MACHINES, MANY_STARTS_IN_FLIGHT, MEMORY_STEPS, SETTLE_MS, SPEC } from "./config.ts";
import { memoryAvailableMib, pssMib, sum } from "./process-use.ts";
import { inFlight } from "./race.ts";
import type { Stage } from "./stage.ts";

/** So many idle machines alive at once, each then asked to run a command. */
export async function manyFigures(stage: Stage): Promise<readonly Result[]> {
  const { isthmus } = stage.forked;
  const herd = new Herd(stage);
  const availableBefore = memoryAvailableMib();
  const began = performance.now();
  try {
    for (const step of [...MEMORY_STEPS.filter((step) => step < MANY_MACHINES), MANY_MACHINES]) await herd.grow(step);
    const startMs = performance.now() - began;
    await sleep(SETTLE_MS);
    herd.look();
    const used = availableBefore - memoryAvailableMib();
    const answered = await herd.answers();
    const pss = herd.memory.at(-1)?.[1] ?? 0;
    await plot(herd.memory);
    const alive = herd.machines.length;
    return [
      { ...exactly("idle machines alive at once", "machines", alive, MANY_MACHINES), ...(herd.refusal && { note: herd.refusal }) },
      {
        ...exactly("idle machines that answered an exec", "machines", answered.length, MANY_MACHINES),
        note: `slowest in ${Math.max(...answered).toFixed(0)} ms, median ${quantile(answered, 0.5).toFixed(0)} ms`,
      },
      informed(`time to start them, ${MANY_STARTS_IN_FLIGHT} at a time`, "s", [startMs / 1000]),
      { ...atMost("memory (PSS) of each of them", "MiB", pss / alive, aims.pssMib), note: `${pss.toFixed(0)} MiB in all` },
      informed("memory of the host that each of them took", "MiB", [used / alive]),
    ];
  } finally {
    await inFlight(herd.machines.length, 4, (index) => isthmus.machines.remove(herd.machines[index]?.ref ?? "", { force: true }));
  }
}

class Herd {
  readonly machines: MachineHandle[] = [];
  readonly memory: [number, number][] = [];
  /** the first one, after which no more are asked for */
  refusal: string | undefined;
  readonly #pids: number[] = [];
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  look(): void {
    this.memory.push([this.machines.length, sum(this.#pids.map(pssMib))]);
  }

  async grow(to: number): Promise<void> {
    await inFlight(to - this.machines.length, MANY_STARTS_IN_FLIGHT, async () => {
      if (this.refusal !== undefined) return;
      try {
        const machine = await this.#stage.forked.isthmus.machines.run({ ...SPEC, command: [...IDLE] });
        this.machines.push(machine);
        this.#pids.push(machine.info.pid ?? 0);
      } catch (error) {
        this.refusal = error instanceof Error ? error.message : String(error);
      }
    });
    if (this.machines.length > (this.memory.at(-1)?.[0] ?? 0)) this.look();
  }

  /** ms of each answer that was right */
  async answers(): Promise<readonly number[]> {
    const times: number[] = [];
    await inFlight(this.machines.length, MANY_EXECS_IN_FLIGHT, async (index) => {
      const began = performance.now();
      const answer = await this.machines[index]?.execText(["echo", "alive"]).catch(() => undefined);
      if (answer?.code === 0 && answer.stdout === "alive\n") times.push(performance.now() - began);
    });
    return times;
  }
}

async function plot(memory: readonly (readonly [number, number])[]): Promise<void> {
  const most = memory.at(-1)?.[0] ?? 1;
  await writeChart("memory-many", {
    title: `Memory of up to ${most} idle machines`,
    subtitle: "PSS of all engine processes as they were started, and of all when they were idle; 128 MiB guests",
    x: { label: "machines" },
    y: { label: "MiB" },
    dots: true,
    series: [
      { name: "Isthmus", points: memory },
      {
        name: `aim: ${aims.pssMib} MiB each`,
        dashed: true,
        points: [
          [0, 0],
          [most, most * aims.pssMib],
        ],
      },
    ],
  });
}
