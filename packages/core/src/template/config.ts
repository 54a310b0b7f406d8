import { GIB } from "@isthmus/contract";

/** on disk, of all templates together; the least recently used go first */
export const TEMPLATES_MAX_BYTES = 8 * GIB;
export const TEMPLATES_MAX = 64;
/** ms after which a shape whose template failed is tried again */
export const QUARANTINE_MS = 10 * 60_000;
/** ms between two notes on disk that a template was used */
export const USE_NOTED_MS = 60_000;

/** prepared clones of one template, and of all */
export const POOL_MAX_PER_TEMPLATE = 4;
export const POOL_MAX = 8;
/** ms in which the demand for a template that nobody starts machines from is halved */
export const DEMAND_HALF_LIFE_MS = 60_000;
/** demand below which nothing is kept ready */
export const DEMAND_FORGOTTEN = 0.1;
/** ms without a start before clones are prepared: preparing must not slow what it is for */
export const POOL_QUIET_MS = 100;
/** ms between two looks at what is too much */
export const POOL_LOOK_MS = 5_000;
/** part of the host's memory that must be free; below it all prepared clones are given back */
export const POOL_FREE_PART = 0.1;
