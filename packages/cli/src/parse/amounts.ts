import { formatBytes, formatDuration, limits, parseBytes, parseDuration, parseSignal } from "@isthmus/contract";
import { invalid } from "./invalid.ts";

/** Makes a parser of whole numbers for option `flag`. */
export function wholeNumber(flag: string, minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= minimum && number <= maximum) return number;
    throw invalid(flag, text, `write a whole number from ${minimum} to ${maximum}`);
  };
}

/** Makes a parser of numbers that may have a fraction. */
export function decimal(flag: string, minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
    if (number >= minimum && number <= maximum) return number;
    throw invalid(flag, text, `write a number from ${minimum} to ${maximum}`);
  };
}

/** Makes a parser of sizes in bytes. */
export function size(flag: string, minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const bytes = parseBytes(text);
    if (bytes === undefined) throw invalid(flag, text, "write a size such as 64m, 512MiB or 2g");
    if (bytes < minimum || bytes > maximum)
      throw invalid(flag, text, `write a size from ${formatBytes(minimum)} to ${formatBytes(maximum)}`);
    return bytes;
  };
}

/** Makes a parser of durations, in ms; a bare number is seconds. */
export function duration(flag: string, minimumMs: number, maximumMs: number): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text);
    if (ms === undefined) throw invalid(flag, text, "write a duration such as 10s, 5m or 1h30m");
    if (ms < minimumMs || ms > maximumMs)
      throw invalid(flag, text, `write a duration from ${formatDuration(minimumMs)} to ${formatDuration(maximumMs)}`);
    return ms;
  };
}

export const stopTimeout = (flag: string): ((text: string) => number) => duration(flag, 0, limits.stopTimeoutMaxMs);

/** A signal's name or number as it was written. */
export function signal(flag: string): (text: string) => string {
  return (text) => {
    if (parseSignal(text) === undefined) throw invalid(flag, text, "there is no such signal");
    return text;
  };
}

/** Lines of `--tail`; `all` is undefined. */
export function tail(text: string): number | undefined {
  return text === "all" ? undefined : wholeNumber("--tail", 0, 10_000_000)(text);
}

const TIMES = "write a time (2026-01-31T12:00:00Z), Unix seconds, or a duration back from now such as 10m";

/** A point in time: RFC 3339 (the local time zone when none is given), Unix seconds, or a duration back from now. */
export function since(text: string, now: number = Date.now(), flag = "--since"): string {
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const ms = Date.parse(text.length === 10 ? `${text}T00:00` : text);
    if (Number.isNaN(ms)) throw invalid(flag, text, TIMES);
    return /[zZ]$/.test(text) && text.includes("T") ? text : new Date(ms).toISOString();
  }
  if (/^\d{9,11}(\.\d{1,9})?$/.test(text)) return text;
  const back = /^\d+(\.\d+)?$/.test(text) ? undefined : parseDuration(text);
  if (back === undefined) throw invalid(flag, text, TIMES);
  return new Date(now - back).toISOString();
}
