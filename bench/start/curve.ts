import { writeChart } from "../plot/chart.ts";
import { informed, quantile, type Result } from "../result.ts";
import { CURVE_LEVELS, CURVE_RAW_MAX, CURVE_STARTS, HELLO, SPEC } from "./config.ts";
import { firstByte } from "./contestants.ts";
import { inFlight } from "./race.ts";
import type { Stage } from "./stage.ts";

interface Level {
  readonly inFlight: number;
  readonly perSecond: number;
  /** ms of each start that came about */
  readonly times: readonly number[];
  readonly refused: number;
}

/** Starts per second and latency against the number in flight: each that ends is removed and followed by another. */
export async function curveFigures(stage: Stage): Promise<readonly Result[]> {
  const { isthmus } = stage.forked;
  const ours: Level[] = [];
  const raw: Level[] = [];
  for (const level of CURVE_LEVELS) {
    if (level <= CURVE_RAW_MAX) raw.push(await measure(level, (began) => rawStart(stage, began)));
    ours.push(
      await measure(level, async (began) => {
        const machine = await isthmus.machines.run({ ...SPEC, command: [...HELLO] }, { follow: true });
        await firstByte(machine);
        const ms = performance.now() - began;
        // As a raw clone, which is killed; an orderly stop costs its guest another tenth of a second.
        await machine.remove({ force: true });
        return ms;
      }),
    );
  }
  await plots(ours, raw);
  return ours.flatMap((level) =>
    figures(
      level,
      raw.find((other) => other.inFlight === level.inFlight),
    ),
  );
}

async function rawStart({ raw }: Stage, began: number): Promise<number> {
  await using clone = await raw.restore();
  await clone.start(["/bin/sh", ...HELLO.slice(1)]);
  await clone.qemu.printed("hi\n");
  return performance.now() - began;
}

async function measure(level: number, start: (began: number) => Promise<number>): Promise<Level> {
  const times: number[] = [];
  let refused = 0;
  const began = performance.now();
  await inFlight(Math.max(level, CURVE_STARTS), level, async () => {
    try {
      times.push(await start(performance.now()));
    } catch {
      refused += 1;
    }
  });
  return { inFlight: level, perSecond: times.length / ((performance.now() - began) / 1000), times, refused };
}

function figures(level: Level, raw: Level | undefined): Result[] {
  const { inFlight, perSecond, times, refused } = level;
  const name = `${inFlight} in flight`;
  const note = refused > 0 && { note: `${refused} refused` };
  const rate = raw && { floor: raw.perSecond, ratio: perSecond / raw.perSecond };
  const floor = raw && quantile(raw.times, 0.5);
  return [
    { ...informed(`${name}: starts`, "per s", [perSecond]), ...rate, ...note },
    { ...informed(`${name}: run to first byte`, "ms", times), ...(floor && { floor, ratio: quantile(times, 0.5) / floor }) },
  ];
}

async function plots(ours: readonly Level[], raw: readonly Level[]): Promise<void> {
  const x = { label: "starts in flight", scale: "log2" } as const;
  const subtitle = "1 CPU, 128 MiB, busybox, no pools; each machine is removed after its first byte and followed by another";
  const at = (levels: readonly Level[], value: (level: Level) => number) => levels.map((level) => [level.inFlight, value(level)] as const);
  await writeChart("start-rate", {
    title: "Starts per second against starts in flight",
    subtitle,
    x,
    y: { label: "starts per second" },
    dots: true,
    series: [
      { name: "Isthmus", points: at(ours, ({ perSecond }) => perSecond) },
      { name: "raw clones", points: at(raw, ({ perSecond }) => perSecond) },
    ],
  });
  await writeChart("start-in-flight", {
    title: "Start latency against starts in flight",
    subtitle,
    x,
    y: { label: "s to the first byte" },
    dots: true,
    series: [
      { name: "Isthmus, median", points: at(ours, ({ times }) => quantile(times, 0.5) / 1000) },
      { name: "Isthmus, p99", points: at(ours, ({ times }) => quantile(times, 0.99) / 1000) },
      { name: "raw clones, median", points: at(raw, ({ times }) => quantile(times, 0.5) / 1000) },
    ],
  });
}
