import { DEMAND_FORGOTTEN } from "./config.ts";

/** How much machines of one kind are wanted of late: each start counts one, and half of it is forgotten with every half-life. */
export class Demand {
  readonly #halfLifeMs: number;
  #level = 0;
  #atMs = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  add(nowMs: number): void {
    this.#level = this.#decayed(nowMs) + 1;
    this.#atMs = nowMs;
  }

  forget(): void {
    this.#level = 0;
  }

  /** Machines to keep ready. */
  machines(nowMs: number): number {
    const level = this.#decayed(nowMs);
    return level < DEMAND_FORGOTTEN ? 0 : Math.ceil(level);
  }

  #decayed(nowMs: number): number {
    return this.#level * 2 ** (-Math.max(0, nowMs - this.#atMs) / this.#halfLifeMs);
  }
}
