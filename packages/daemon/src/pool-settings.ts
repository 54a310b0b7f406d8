import { IsthmusError, limits, parseDuration } from "@isthmus/contract";
import { type PoolSettings, poolDefaults } from "@isthmus/core";

type Environment = Readonly<Record<string, string | undefined>>;

/** Each is a process with some 35 MiB of its own. */
const POOL_MOST = 64;

/** `ISTHMUS_POOL_MIN`, `ISTHMUS_POOL_MAX`, `ISTHMUS_POOL_HALF_LIFE`. Throws CONFIG_INVALID. */
export function readPools(env: Environment): PoolSettings {
  const max = count(env, "ISTHMUS_POOL_MAX", 1) ?? poolDefaults.max;
  const min = count(env, "ISTHMUS_POOL_MIN", 0) ?? poolDefaults.min;
  if (min > max) throw invalid("ISTHMUS_POOL_MIN", String(min), `must be at most ISTHMUS_POOL_MAX, which is ${max}`);
  return { min, max, halfLifeMs: halfLife(env) };
}

function count(env: Environment, field: string, least: number): number | undefined {
  const value = env[field];
  if (!value) return undefined;
  const number = /^\d{1,3}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= POOL_MOST) return number;
  throw invalid(field, value, `must be a whole number from ${least} to ${POOL_MOST}`);
}

function halfLife(env: Environment): number {
  const value = env.ISTHMUS_POOL_HALF_LIFE;
  if (!value) return poolDefaults.halfLifeMs;
  const ms = parseDuration(value);
  if (ms !== undefined && ms >= 1 && ms <= limits.ttlMaxMs) return ms;
  throw invalid("ISTHMUS_POOL_HALF_LIFE", value, "must be a duration such as 30s, 5m or 1h");
}

function invalid(field: string, value: string, reason: string): IsthmusError {
  return new IsthmusError("CONFIG_INVALID", { field, value, reason });
}
