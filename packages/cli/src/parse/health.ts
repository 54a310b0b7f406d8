import { defaults, formatDuration, type Healthcheck, limits } from "@isthmus/contract";
import type { Command } from "commander";
import { duration, wholeNumber } from "./amounts.ts";
import { invalid } from "./invalid.ts";

/** The flags of a health check, in docker's names. */
export interface HealthOptions {
  readonly healthCmd?: string;
  readonly healthInterval?: number;
  readonly healthTimeout?: number;
  readonly healthRetries?: number;
  readonly healthStartPeriod?: number;
  readonly healthStartInterval?: number;
  /** false after --no-healthcheck */
  readonly healthcheck?: boolean;
}

/** Declares them. */
export function addHealthOptions(command: Command): Command {
  const span = (flag: string, least: number = limits.healthSpanMinMs) => duration(flag, least, limits.healthSpanMaxMs);
  return command
    .option("--health-cmd <command>", "line for its shell that ends with 0 while it is well; the image's check when absent")
    .option(
      "--health-interval <duration>",
      `between checks; ${formatDuration(defaults.healthIntervalMs)} when absent`,
      span("--health-interval"),
    )
    .option(
      "--health-timeout <duration>",
      `time for one; ${formatDuration(defaults.healthTimeoutMs)} when absent`,
      span("--health-timeout"),
    )
    .option(
      "--health-retries <number>",
      `failures in a row that make it unhealthy; ${defaults.healthRetries} when absent`,
      wholeNumber("--health-retries", 1, limits.healthRetries),
    )
    .option("--health-start-period <duration>", "after its start, when failures do not count", span("--health-start-period", 0))
    .option(
      "--health-start-interval <duration>",
      `between checks in that time; ${formatDuration(defaults.healthStartIntervalMs)} when absent`,
      span("--health-start-interval"),
    )
    .option("--no-healthcheck", "not even the image's check");
}

/** What they describe. Throws INVALID_REQUEST. */
export function healthcheck(options: HealthOptions): Healthcheck | undefined {
  const { healthCmd } = options;
  const found = {
    test: healthCmd === undefined ? undefined : ["CMD-SHELL", healthCmd],
    intervalMs: options.healthInterval,
    timeoutMs: options.healthTimeout,
    retries: options.healthRetries,
    startPeriodMs: options.healthStartPeriod,
    startIntervalMs: options.healthStartInterval,
  };
  const given = Object.entries(found).filter(([, value]) => value !== undefined);
  if (options.healthcheck !== false) return given.length === 0 ? undefined : Object.fromEntries(given);
  if (given.length > 0) throw invalid("--no-healthcheck", "", "it and the flags of a check exclude one another");
  return { test: ["NONE"] };
}
