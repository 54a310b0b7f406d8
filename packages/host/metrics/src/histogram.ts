import type { Sample } from "./exposition.ts";

interface Series {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** Counts values in buckets, for each value of one label. */
export class Histogram {
  readonly #label: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Series>();

  /** `of`: values of the label that are there from the beginning, so that a rate over them is not missing. */
  constructor(label: string, bounds: readonly number[], of: readonly string[]) {
    this.#label = label;
    this.#bounds = bounds;
    for (const one of of) this.#of(one);
  }

  observe(of: string, value: number): void {
    const series = this.#of(of);
    series.sum += value;
    series.count += 1;
    const place = this.#bounds.findIndex((bound) => value <= bound);
    if (place >= 0) series.counts[place] = (series.counts[place] ?? 0) + 1;
  }

  samples(): Sample[] {
    return [...this.#series].flatMap(([of, { counts, sum, count }]) => {
      const labels = { [this.#label]: of };
      let below = 0;
      const buckets = this.#bounds.map((bound, index) => {
        below += counts[index] ?? 0;
        return { suffix: "_bucket", labels: { ...labels, le: String(bound) }, value: below };
      });
      return [
        ...buckets,
        { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count },
        { suffix: "_sum", labels, value: sum },
        { suffix: "_count", labels, value: count },
      ];
    });
  }

  #of(of: string): Series {
    const known = this.#series.get(of);
    if (known) return known;
    const series = { counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
    this.#series.set(of, series);
    return series;
  }
}
