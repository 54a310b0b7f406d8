import { GIB } from "@isthmus/contract";

/** on disk, of all templates together; the least recently used go first */
export const TEMPLATES_MAX_BYTES = 8 * GIB;
export const TEMPLATES_MAX = 64;
/** ms after which a shape whose template failed is tried again */
export const QUARANTINE_MS = 10 * 60_000;
/** ms between two notes on disk that a template was used */
export const USE_NOTED_MS = 60_000;
