import {
  BASELINE_DRIFT,
  CPU_SOME_MAX,
  KINDS_MAX,
  LIMITER_ALPHA,
  LIMITER_BACKOFF,
  LIMITER_BETA,
  LIMITER_SAMPLES_MIN,
  MEMORY_FULL_MAX,
  MEMORY_SOME_MAX,
  OVERLOADED_LATENCY,
  PRESSURE_STEP_MS,
} from "./config.ts";
import type { Limits } from "./limits.ts";
import type { Pressure, StartOutcome } from "./request.ts";

/** What a limiter knows, for `isthmus host status`. */
export interface LimiterStatus {
  readonly mode: "adaptive" | "static";
  readonly limit: number;
  readonly max: number;
  /** mean of latency / least latency of its kind over the last step; 1: no start waits for another */
  readonly stretch: number;
  /** of each kind of start, ms: the least known, and the mean of late */
  readonly kinds: Readonly<Record<string, { readonly leastMs: number; readonly meanMs: number }>>;
}

interface Kind {
  leastMs: number;
  meanMs: number;
}

/**
 * How many starts may be in flight. Adaptive, in the manner of TCP Vegas: from the stretch g = latency / least latency, limit × (1 − 1/g) starts
 * wait on one another within the host. Few: one more is let in. Many: one less. Pressure on memory and overload step back by a factor.
 */
export class StartLimiter {
  readonly #mode: "adaptive" | "static";
  readonly #max: number;
  readonly #kinds = new Map<string, Kind>();
  #limit: number;
  #samples = 0;
  #stretches = 0;
  #stretch = 1;
  #mostInFlight = 0;
  #steppedBackMs = Number.NEGATIVE_INFINITY;

  constructor({ limiter, startsInFlight, startsInFlightMax }: Pick<Limits, "limiter" | "startsInFlight" | "startsInFlightMax">) {
    this.#mode = limiter;
    this.#max = limiter === "static" ? startsInFlight : startsInFlightMax;
    this.#limit = Math.max(1, Math.min(startsInFlight, this.#max));
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** ms that a start takes of late, over all kinds; undefined before the first */
  get latencyMs(): number | undefined {
    if (this.#kinds.size === 0) return undefined;
    return [...this.#kinds.values()].reduce((most, kind) => Math.max(most, kind.meanMs), 0);
  }

  status(): LimiterStatus {
    const kinds = Object.fromEntries([...this.#kinds].map(([name, kind]) => [name, { ...kind }]));
    return { mode: this.#mode, limit: this.limit, max: this.#max, stretch: this.#stretch, kinds };
  }

  /** Learns from a start that ended while `inFlight` were under way, itself included. */
  sample({ ok, latencyMs, kind = "start" }: StartOutcome, inFlight: number, pressure: Pressure | undefined, nowMs: number): void {
    this.#mostInFlight = Math.max(this.#mostInFlight, inFlight);
    const known = this.#kind(kind, ok, latencyMs);
    if (known === undefined || this.#mode === "static") return;
    if (this.#pressed(pressure) || (!ok && latencyMs > known.leastMs * OVERLOADED_LATENCY)) {
      this.#stepBack(nowMs);
      return;
    }
    if (!ok) return;
    this.#samples += 1;
    this.#stretches += Math.max(1, latencyMs / Math.max(1, known.leastMs));
    // One step for each round of starts that the present limit let in, so that a step's effect is seen before the next.
    if (this.#samples >= Math.max(LIMITER_SAMPLES_MIN, this.limit)) this.#step(pressure);
  }

  #kind(name: string, ok: boolean, latencyMs: number): Kind | undefined {
    const known = this.#kinds.get(name);
    // A failure that came fast says nothing about how fast a start can be.
    if (!ok) return known;
    if (known === undefined) {
      if (this.#kinds.size >= KINDS_MAX) return undefined;
      const fresh = { leastMs: Math.max(1, latencyMs), meanMs: latencyMs };
      this.#kinds.set(name, fresh);
      return fresh;
    }
    known.leastMs = Math.max(1, Math.min(known.leastMs, latencyMs));
    known.meanMs += (latencyMs - known.meanMs) / LIMITER_SAMPLES_MIN;
    return known;
  }

  #step(pressure: Pressure | undefined): void {
    this.#stretch = this.#stretches / this.#samples;
    const waiting = this.limit * (1 - 1 / this.#stretch);
    const scale = Math.log10(this.limit) + 1;
    // A limit that nobody reaches proves nothing about a higher one.
    const reached = this.#mostInFlight >= this.limit;
    const busy = pressure !== undefined && pressure.cpu.some10 > CPU_SOME_MAX;
    if (waiting > LIMITER_BETA * scale) this.#limit = Math.max(1, this.limit - Math.max(1, Math.floor(scale)));
    else if (waiting < LIMITER_ALPHA * scale && reached && !busy)
      this.#limit = Math.min(this.#max, this.limit + Math.max(1, Math.floor(scale)));
    // At a limit that is reached, every start waits for others: its latency says nothing of what one alone takes.
    if (!reached || this.limit === 1)
      for (const kind of this.#kinds.values()) kind.leastMs = Math.min(kind.meanMs, kind.leastMs * (1 + BASELINE_DRIFT));
    this.#begin();
  }

  #pressed(pressure: Pressure | undefined): boolean {
    return pressure !== undefined && (pressure.memory.full10 > MEMORY_FULL_MAX || pressure.memory.some10 > MEMORY_SOME_MAX);
  }

  #stepBack(nowMs: number): void {
    if (Math.abs(nowMs - this.#steppedBackMs) < PRESSURE_STEP_MS) return;
    this.#steppedBackMs = nowMs;
    this.#limit = Math.max(1, this.#limit * LIMITER_BACKOFF);
    this.#begin();
  }

  #begin(): void {
    this.#samples = 0;
    this.#stretches = 0;
    this.#mostInFlight = 0;
  }
}
