/** A token bucket: `perSecond` machines a second in the long run, `burst` at once. A rate of 0 lets everything through. */
export class TokenBucket {
  readonly perSecond: number;
  readonly burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.perSecond = perSecond;
    this.burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** Tokens there are. */
  tokens(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens;
  }

  /** ms until one may be taken; 0: now. */
  waitMs(nowMs: number): number {
    if (this.perSecond <= 0) return 0;
    this.#refill(nowMs);
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.perSecond) * 1000);
  }

  /** Only after `waitMs` said 0. */
  take(): void {
    if (this.perSecond > 0) this.#tokens -= 1;
  }

  #refill(nowMs: number): void {
    // A clock that was set back fills nothing.
    const passed = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.burst, this.#tokens + (passed / 1000) * this.perSecond);
  }
}
