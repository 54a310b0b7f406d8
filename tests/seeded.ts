import process from "node:process";

/** What takes too long for every commit runs in `make soak`. */
export const soak = process.env.SOAK === "1";

/** How often a test does its thing: `N` if it is set, else the size of `make soak` or of every commit. */
export function size(everyCommit: number, soaking: number): number {
  return Number(process.env.N ?? (soak ? soaking : everyCommit));
}

/** Numbers that look random and are the same for the same `SEED`; each run without one has another, which the test's words must name. */
export class Chance {
  readonly seed: number;
  #state: number;

  constructor(seed = Number(process.env.SEED ?? (Date.now() % 1_000_000) + 1)) {
    this.seed = seed;
    this.#state = seed;
  }

  /** 0 to `below` - 1 (mulberry32) */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[this.int(list.length)];
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.int(256)));
  }
}
