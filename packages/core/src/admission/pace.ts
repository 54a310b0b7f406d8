import { PACE_WEIGHT } from "./config.ts";

/** How fast starts are let in while some wait: the mean time from one grant to the next. */
export class Pace {
  #meanMs: number | undefined;
  #lastMs: number | undefined;

  /** A start was let in; `waited`: others wait still, so the next one comes as soon as it can. */
  granted(nowMs: number, waited: boolean): void {
    if (this.#lastMs !== undefined) {
      const gapMs = Math.max(0, nowMs - this.#lastMs);
      this.#meanMs = this.#meanMs === undefined ? gapMs : this.#meanMs + PACE_WEIGHT * (gapMs - this.#meanMs);
    }
    this.#lastMs = waited ? nowMs : undefined;
  }

  /** ms until the request at `position` is let in; undefined when nothing is known. */
  estimate(position: number, latencyMs: number | undefined, slots: number): number | undefined {
    const perStart = this.#meanMs ?? (latencyMs === undefined ? undefined : latencyMs / slots);
    return perStart === undefined ? undefined : Math.round(position * perStart);
  }
}
