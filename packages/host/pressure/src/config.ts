/** part of the host's memory below which it counts as pressed, where the kernel tells no pressure */
export const MEMORY_LOW_PART = 0.1;
/** percent that direct reclaim counts for, where the kernel tells no pressure */
export const DIRECT_RECLAIM_PERCENT = 20;
/** machines that are measured without giving others a turn */
export const MACHINES_AT_ONCE = 50;
/** USER_HZ of every Linux that Node runs on */
export const CLOCK_TICKS_PER_SECOND = 100;
export const PAGE_BYTES = 4096;
