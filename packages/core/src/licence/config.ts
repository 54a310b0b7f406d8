/** ms for which a soft limit may be exceeded, and used beyond its validity */
export const GRACE_MS = 7 * 86_400_000;
/** part of a soft limit's seats by which it may be exceeded, rounded up */
export const GRACE_PART = 0.1;
/** of machines and images: products that a licence is needed for, separated by commas or blanks */
export const LICENCES_LABEL = "org.isthmus.licences";
/** of machines: who uses them, for seats per named user; their tenant when absent */
export const USER_LABEL = "org.isthmus.licence-user";
/** the tenant of specs that name none */
export const TENANT_DEFAULT = "default";
/** latest leases that the typical length of a run is the median of */
export const TYPICAL_RUNS = 101;
/** newest events of licences among which those leases are looked for when the daemon has begun */
export const RUNS_LOOKED_FOR_AMONG = 10_000;
/** holders that a refusal names */
export const HOLDERS_NAMED = 5;
/** uses that a report lists for each product, the latest ones */
export const USES_LISTED = 10_000;
/** events read from the store at once, which takes some 5 ms */
export const LICENCE_EVENTS_PAGE = 2_000;
/** days with a high-water mark that a forecast is computed from, at most and at least */
export const FORECAST_DAYS_MAX = 60;
export const FORECAST_DAYS_MIN = 3;
/** a forecast that lies further ahead than this many days says nothing */
export const FORECAST_AHEAD_DAYS = 3650;
export const DAY_MS = 86_400_000;
/** ms of a report without a beginning */
export const REPORT_MS = 30 * DAY_MS;
/** days that one report covers at most */
export const REPORT_DAYS_MAX = 3660;
/** ms after which a client that met a shortage without a known end may try again */
export const RETRY_AFTER_MS = 30_000;
