import { IsthmusError, parseDuration } from "@isthmus/contract";
import { echo } from "./validation.ts";

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;
const UNIX_SECONDS = /^\d{1,11}(\.\d{1,9})?$/;
/** Largest time that a Date holds, ECMA-262 */
const MAX_TIME_MS = 8.64e15;

/** ms since 1970 of an RFC 3339 time, Unix seconds, or a duration back from `now` such as `10m`. Throws INVALID_REQUEST. */
export function parseSince(text: string | undefined, now: number = Date.now(), field = "since"): number | undefined {
  if (text === undefined) return undefined;
  let ms: number | undefined;
  if (RFC3339.test(text)) ms = Date.parse(text);
  else if (UNIX_SECONDS.test(text)) ms = Math.round(Number(text) * 1000);
  else ms = back(parseDuration(text), now);
  if (ms !== undefined && Number.isFinite(ms) && Math.abs(ms) <= MAX_TIME_MS) return ms;
  const reason = "write a time (2026-01-31T12:00:00Z), Unix seconds, or a duration such as 10m";
  throw new IsthmusError("INVALID_REQUEST", { field, value: echo(text), reason });
}

function back(duration: number | undefined, now: number): number | undefined {
  return duration === undefined ? undefined : Math.max(0, now - duration);
}
