/** Bytes read from an output file at a time. */
export const READ_CHUNK_BYTES = 256 * 1024;
/** A follower looks again after this long even if the kernel announced no change. */
export const FOLLOW_FALLBACK_MS = 1000;
/** Growth is looked at this often at most. */
export const KEEP_CHECK_MS = 250;
/** The head is punched out once the file holds this part more than it may keep: punching each record would cost more than it frees. */
export const KEEP_SLACK_PART = 0.25;
/** A follower that lags is waited for until the file holds this many times what it may keep. */
export const FOLLOWER_WAIT_FACTOR = 2;
/** Holes are punched in whole blocks of this size. */
export const BLOCK_BYTES = 4096;
/** Records remembered while the last lines are looked for; older ones are let go. */
export const TAIL_RECORDS_MAX = 200_000;
/** ms that fallocate(1) may take */
export const PUNCH_DEADLINE_MS = 10_000;
