import type { Chart } from "../plot/chart.ts";
import { quantile } from "../result.ts";
import type { Samples } from "./race.ts";

/** For each time the part of the starts that took no longer, %. */
export function distribution(title: string, samples: Samples): Chart {
  const series = [...samples].map(([name, values]) => {
    const sorted = [...values].sort((a, b) => a - b);
    const part = 100 / sorted.length;
    const steps = sorted.flatMap((ms, index): [number, number][] => [
      [ms, index * part],
      [ms, (index + 1) * part],
    ]);
    return { name: `${name}: ${quantile(values, 0.5).toFixed(0)} ms`, points: steps };
  });
  const count = Math.max(...[...samples.values()].map(({ length }) => length));
  return {
    title,
    subtitle: `1 CPU, 128 MiB, busybox; ${count} starts each, in turn; the number is the median`,
    x: { label: "ms" },
    y: { label: "starts that took no longer, %", max: 100 },
    series,
  };
}
