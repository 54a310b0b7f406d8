/** snapshots on one host */
export const SNAPSHOTS_MAX = 1_000;
/** bytes of a snapshot's id; it is written as twice as many hex digits */
export const SNAPSHOT_ID_BYTES = 8;
