import { IsthmusError, limits, parseDuration } from "@isthmus/contract";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Read = (value: string, field: string) => number;

/** One setting; undefined when it is not there, or empty. Throws what `read` does. */
export function setting(env: Environment, field: string, read: Read): number | undefined {
  const value = env[field];
  return value ? read(value, field) : undefined;
}

/** Throws CONFIG_INVALID. */
export function count(least: number, most: number): Read {
  return (value, field) => {
    const number = /^\d{1,7}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw invalid(field, value, `must be a whole number from ${least} to ${most}`);
  };
}

/** In ms. Throws CONFIG_INVALID. */
export function duration(leastMs = 0): Read {
  return (value, field) => {
    const ms = parseDuration(value);
    if (ms !== undefined && ms >= leastMs && ms <= limits.ttlMaxMs) return ms;
    throw invalid(field, value, `must be a duration such as 30s, 5m or 1h${leastMs > 1 ? `, of ${leastMs} ms at least` : ""}`);
  };
}

export function invalid(field: string, value: string, reason: string): IsthmusError {
  return new IsthmusError("CONFIG_INVALID", { field, value, reason });
}

/** Throws CONFIG_INVALID. */
export function onOrOff(env: Environment, field: string): boolean {
  const value = env[field] || "on";
  if (value !== "on" && value !== "off") throw invalid(field, value, "must be on or off");
  return value === "on";
}
