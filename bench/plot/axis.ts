/** A scale from values to places in the picture. */
export interface Axis {
  readonly ticks: readonly number[];
  at(value: number): number;
}

const TICKS_WANTED = 6;

/** Linear axes begin at 0, so that lengths can be compared; those of powers of two at the least value. */
export function axisOf(values: readonly number[], scale: "linear" | "log2", [from, to]: readonly [number, number], max?: number): Axis {
  const most = max ?? Math.max(...values, 1e-9);
  if (scale === "linear") {
    const step = stepOf(most / TICKS_WANTED);
    const end = max ?? Math.ceil(most / step) * step;
    const ticks = Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, index) => index * step);
    return { ticks, at: (value) => from + (Math.min(value, end) / end) * (to - from) };
  }
  const least = Math.floor(Math.log2(Math.max(1, Math.min(...values))));
  const span = Math.max(1, Math.ceil(Math.log2(most)) - least);
  const ticks = Array.from({ length: span + 1 }, (_, index) => 2 ** (least + index));
  return { ticks, at: (value) => from + ((Math.log2(Math.max(1, value)) - least) / span) * (to - from) };
}

/** 1, 2 or 5 times a power of ten */
function stepOf(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough) ?? 10;
  return factor * power;
}

export function label(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString("en-US");
}
