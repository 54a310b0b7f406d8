/** ms between two looks at the host */
export const LOOK_MS = 2_000;
/** ms that pressure must last before anything is done, and between two steps */
export const RAISE_MS = 6_000;
/** ms that calm must last before anything is undone */
export const CALM_MS = 30_000;
/** ms between two steps back */
export const UNDO_STEP_MS = 6_000;
/** calm must last twice as long after each further time of pressure within so many ms, and how often that doubles */
export const RELAPSE_MS = 600_000;
export const RELAPSES_MAX = 4;

/** percent of the last 10 s at which something is pressed, and at which it is calm */
export const CPU_SOME = { pressed: 50, calm: 20 } as const;
export const MEMORY_SOME = { pressed: 20, calm: 8 } as const;
export const MEMORY_FULL = { pressed: 5, calm: 1 } as const;
export const IO_FULL = { pressed: 30, calm: 10 } as const;
/** part of the host's memory that is available */
export const MEMORY_LEFT = { pressed: 0.05, calm: 0.1 } as const;
/** part from which on nobody stalls for want of it on the host */
export const MEMORY_AMPLE = 0.6;

/** ms between two looks for groups whose process is gone */
export const SWEEP_MS = 60_000;
/** of a machine whose spec is silent */
export const WEIGHT_DEFAULT = 100;

/** weights of low-priority machines under pressure are a tenth of their own */
export const LOWERED_PART = 0.1;
/** part of an idle machine's memory that is asked back at once */
export const RECLAIM_PART = 0.5;
/** a machine that uses a smaller part of one processor is idle: a guest that does nothing uses less than a tenth of it */
export const IDLE_CPU_PART = 0.02;
/** ms that a machine must have been idle before it is suspended */
export const IDLE_MS = 30_000;

/** part of what all machines use, from which on one is said to hurt the others, and below which no longer */
export const NOISY_SHARE = { named: 0.5, cleared: 0.35 } as const;
/** the least that a noisy machine uses: part of all processors, part of all memory, bytes a second */
export const NOISY_LEAST = { cpu: 0.25, memory: 0.25, io: 1_000_000 } as const;
/** looks in a row */
export const NOISY_LOOKS = 2;
