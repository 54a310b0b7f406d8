/** upper bounds of the buckets of start times, s */
export const START_BUCKETS_S = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120] as const;
/** upper bounds of the buckets of waiting times in the queue, s */
export const WAIT_BUCKETS_S = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600] as const;
/** tenants with series of their own, those with the most machines; the rest are one, so that names that clients make up cost nothing */
export const TENANTS_MAX = 100;
/** the tenant label of that rest */
export const OTHER_TENANTS = "(other)";
