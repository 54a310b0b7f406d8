import { since } from "./amounts.ts";
import { invalid } from "./invalid.ts";

/** Makes a parser of points in time for option `flag`: a time, Unix seconds, or a duration back from now. */
export function moment(flag: string): (text: string) => string {
  return (text) => since(text, Date.now(), flag);
}

/** Makes a parser of times, RFC 3339; a date is its begin in the local time zone. */
export function day(flag: string): (text: string) => string {
  return (text) => {
    if (!/^\d{4}-\d{2}-\d{2}/.test(text)) throw invalid(flag, text, "write a time such as 2026-01-31 or 2026-01-31T12:00:00Z");
    return new Date(since(text, Date.now(), flag)).toISOString();
  };
}
