import { MIB } from "@isthmus/contract";

/** Oldest SQLite without the WAL-reset corruption bug (https://www.sqlite.org/wal.html, fixed in 3.51.3). */
export const SQLITE_MIN = [3, 51, 3] as const;
/** ms that a statement waits for another connection's lock */
export const BUSY_TIMEOUT_MS = 5000;
/** Newest events kept; older ones are deleted as new ones come. */
export const EVENTS_KEPT = 100_000;
/** Newest events of licences kept: reports reach as far back as they do. */
export const LICENCE_EVENTS_KEPT = 1_000_000;
/** How often old events and keys are looked for, in events appended. */
export const PRUNE_EVERY_EVENTS = 1000;
/** ms for which an idempotency key is remembered */
export const IDEMPOTENCY_KEPT_MS = 24 * 3_600_000;
/** Room kept inside the database's files, in its log as well as in its free pages: thousands of stops and removals. */
export const RESERVE_BYTES = 2 * MIB;
/** Pages of the log after which it is written into the database and begun anew: well within the reserve. */
export const CHECKPOINT_PAGES = 256;
/** Given up when the disk is too full for a start; made again afterwards. */
export const BALLAST_BYTES = 4 * MIB;
/** With less room on the disk no machine is made: it could not be started. */
export const CREATE_ROOM_BYTES = 16 * MIB;
/** Characters of an id that a prefix must have at least. */
export const PREFIX_CHARS_MIN = 4;
/** compiled statements kept; those of queries by filter are many, and come after the rest */
export const STATEMENTS_KEPT = 128;
/** machines whose records are kept parsed, and how long they may be as JSON: together some 16 MB */
export const RECORD_KEPT_CHARS = 16_384;
export const RECORDS_KEPT = 1_000;
