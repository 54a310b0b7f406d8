import { type PoolSettings, poolDefaults } from "@isthmus/core";
import { count, duration, type Environment, invalid, onOrOff, setting } from "./setting.ts";

/** Each is a process with some MiB of its own. */
const POOL_MOST = 64;

/** `ISTHMUS_ZYGOTES`, `ISTHMUS_POOL_MIN`, `ISTHMUS_POOL_MAX`, `ISTHMUS_POOL_HALF_LIFE`. Throws CONFIG_INVALID. */
export function readPools(env: Environment): PoolSettings {
  const max = setting(env, "ISTHMUS_POOL_MAX", count(0, POOL_MOST)) ?? poolDefaults.max;
  const min = setting(env, "ISTHMUS_POOL_MIN", count(0, POOL_MOST)) ?? poolDefaults.min;
  if (min > max) throw invalid("ISTHMUS_POOL_MIN", String(min), `must be at most ISTHMUS_POOL_MAX, which is ${max}`);
  const halfLifeMs = setting(env, "ISTHMUS_POOL_HALF_LIFE", duration(1)) ?? poolDefaults.halfLifeMs;
  return { min, max, halfLifeMs, zygotes: onOrOff(env, "ISTHMUS_ZYGOTES") };
}
