/** One measured figure beside what it is held against. */
export interface Result {
  readonly name: string;
  readonly unit: string;
  readonly p50: number;
  readonly p99: number;
  /** median of the floor or peer in the same run; absent where the aim is absolute */
  readonly floor?: number;
  /** p50 / floor */
  readonly ratio?: number;
  /** in words */
  readonly aim: string;
  readonly met: boolean;
  /** what else was seen */
  readonly note?: string;
  /** where the time goes: medians by step, in the same unit */
  readonly steps?: Readonly<Record<string, number>>;
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** A figure against its floor; lower is better unless `higherIsBetter`. */
export function paired(
  name: string,
  unit: string,
  values: readonly number[],
  floors: readonly number[],
  limit: number,
  higherIsBetter = false,
): Result {
  const [p50, floor] = [quantile(values, 0.5), quantile(floors, 0.5)];
  const ratio = p50 / floor;
  const met = higherIsBetter ? ratio >= limit : ratio <= limit;
  const p99 = quantile(values, higherIsBetter ? 0.01 : 0.99);
  return { name, unit, p50, p99, floor, ratio, aim: `${higherIsBetter ? "≥" : "≤"} ${limit} × floor`, met };
}

/** A figure with an absolute aim. */
export function absolute(name: string, unit: string, values: readonly number[], limit: number): Result {
  const p50 = quantile(values, 0.5);
  return { name, unit, p50, p99: quantile(values, 0.99), aim: `≤ ${limit} ${unit}`, met: p50 <= limit };
}

/** One value with an absolute aim that it must not exceed, such as the worst of many. */
export function atMost(name: string, unit: string, value: number, limit: number): Result {
  return { name, unit, p50: value, p99: value, aim: `≤ ${limit} ${unit}`, met: value <= limit };
}

/** A count that must be reached. */
export function exactly(name: string, unit: string, value: number, wanted: number): Result {
  return { name, unit, p50: value, p99: value, aim: `${wanted} ${unit}`, met: value === wanted };
}

/** A figure that is told without an aim. */
export function informed(name: string, unit: string, values: readonly number[]): Result {
  return { name, unit, p50: quantile(values, 0.5), p99: quantile(values, 0.99), aim: "none", met: true };
}

export function medians(samples: ReadonlyMap<string, readonly number[]>): Readonly<Record<string, number>> {
  return Object.fromEntries([...samples].map(([step, values]) => [step, Math.round(quantile(values, 0.5) * 10) / 10]));
}
