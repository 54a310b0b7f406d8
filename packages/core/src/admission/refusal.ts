import { formatBytes, IsthmusError } from "@isthmus/contract";
import { RETRY_MAX_MS, RETRY_MIN_MS } from "./config.ts";
import type { Shortage, Unit } from "./request.ts";

/** A figure of a limit as a user reads it. */
export function amount(value: number, unit: Unit): string {
  return unit === "bytes" ? formatBytes(value) : `${value} ${unit}`;
}

/** ms after which another try makes sense. */
export function retryAfterMs({ expectedMs = RETRY_MIN_MS }: Pick<Shortage, "expectedMs">): number {
  return Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, Math.ceil(expectedMs)));
}

/** What a user is told of a shortage of the host's or a tenant's; of licences, their own code tells. */
export function refusalOf(shortage: Shortage): IsthmusError {
  const { limit, scope, needed, used, max, unit, kind, permanent } = shortage;
  const what = scope === undefined ? limit : `${limit} ${scope}`;
  const figures = { limit: what, needed: amount(needed, unit), used: amount(used, unit), max: amount(max, unit) };
  if (permanent) return new IsthmusError("NEVER_FITS", figures);
  if (kind === "quota") return new IsthmusError("QUOTA_REACHED", { ...figures, retryAfterMs: retryAfterMs(shortage) });
  if (kind === "capacity" && limit === "disk") return new IsthmusError("DISK_FULL", { what: `a machine's disk of ${figures.needed}` });
  if (kind === "capacity")
    return new IsthmusError("NO_CAPACITY", { what, needed: figures.needed, free: amount(Math.max(0, max - used), unit) });
  return new IsthmusError("TOO_MANY_REQUESTS", { what, value: used, limit: max, retryAfterMs: retryAfterMs(shortage) });
}
