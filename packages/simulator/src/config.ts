/** hosts of one simulation */
export const HOSTS_MAX = 1_000;
/** starts of one simulation, all tenants together */
export const STARTS_MAX = 1_000_000;
/** starts per minute of one tenant */
export const PER_MINUTE_MAX = 1_000_000;
/** ms of simulated time */
export const DURATION_MAX_MS = 7 * 86_400_000;
/** log-normal execution times of functions, in ln(seconds): figure 7 of Shahrad et al., "Serverless in the Wild", USENIX ATC 2020 */
export const SERVERLESS_LOG_MEAN = -0.38;
export const SERVERLESS_LOG_SIGMA = 2.36;
/** longest run of one machine, ms: a tail has to end */
export const RUN_MAX_MS = 24 * 3_600_000;
/** part of a day's mean rate by which a diurnal one swings */
export const DIURNAL_SWING = 0.8;
export const DAY_MS = 86_400_000;
/** points of a plot's line */
export const PLOT_POINTS = 120;
