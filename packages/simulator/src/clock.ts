import { Heap } from "@isthmus/core";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

/** Time that passes from event to event. */
export class SimulatedClock {
  readonly #timers = new Heap<Timer>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
  #order = 0;
  nowMs = 0;

  at(atMs: number, action: () => void): () => void {
    this.#order += 1;
    const timer = { atMs: Math.max(atMs, this.nowMs), order: this.#order, action };
    this.#timers.put(timer);
    return () => this.#timers.remove(timer);
  }

  /** Runs the next event. False when there is none before `endMs`. */
  step(endMs: number): boolean {
    const next = this.#timers.first();
    if (next === undefined || next.atMs > endMs) return false;
    this.#timers.remove(next);
    this.nowMs = next.atMs;
    next.action();
    return true;
  }
}
