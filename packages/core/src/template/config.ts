import { GIB } from "@isthmus/contract";

/** on disk, of all templates together; the least recently used go first */
export const TEMPLATES_MAX_BYTES = 8 * GIB;
export const TEMPLATES_MAX = 64;
/** ms after which a shape whose template failed is tried again */
export const QUARANTINE_MS = 10 * 60_000;
/** ms between two notes on disk that a template was used */
export const USE_NOTED_MS = 60_000;

/** How many prepared clones wait, of each template that machines were started from or that was warmed. */
export interface PoolSettings {
  /** also when nobody asks for any */
  readonly min: number;
  /** however many are asked for */
  readonly max: number;
  /** ms in which the demand is halved while nobody starts machines */
  readonly halfLifeMs: number;
  /** whether clones are forked from a zygote of their template, where the engine can */
  readonly zygotes: boolean;
}

export const poolDefaults: PoolSettings = { min: 0, max: 4, halfLifeMs: 60_000, zygotes: true };
/** Each has some 30 MiB to itself. */
export const ZYGOTES_MAX = 16;
/** ms for which a zygote must not have been forked to make room for another */
export const ZYGOTE_IDLE_MS = 60_000;
/** ms after which a template whose zygote failed gets another */
export const ZYGOTE_RETRY_MS = 60_000;
/** those of all templates together are so many times the most of one */
export const POOL_MAX_FACTOR = 2;
/** demand below which nothing is kept ready */
export const DEMAND_FORGOTTEN = 0.1;
/** ms without a start before clones are prepared: preparing must not slow what it is for */
export const POOL_QUIET_MS = 100;
/** ms between two looks at what is too much */
export const POOL_LOOK_MS = 5_000;
/** part of the host's memory that must be free; below it all prepared clones are given back */
export const POOL_FREE_PART = 0.1;
