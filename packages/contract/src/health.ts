import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";

const closed = { additionalProperties: false } as const;
const span = (minimum: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum: limits.healthSpanMaxMs, description }));

/** How to find out whether a workload works. What is absent is the image's, then the default. */
export const HealthcheckSchema = Type.Object(
  {
    test: Type.Optional(
      Type.Array(Type.String({ maxLength: limits.processBytes, pattern: "^[^\\u0000]*$" }), {
        minItems: 1,
        maxItems: limits.commandWords,
        description: "CMD with words, CMD-SHELL with a line for /bin/sh, or NONE: exit code 0 is healthy",
      }),
    ),
    intervalMs: span(limits.healthSpanMinMs, "between the end of one check and the next; default 30,000"),
    timeoutMs: span(limits.healthSpanMinMs, "after which a check has failed; default 30,000"),
    retries: Type.Optional(
      Type.Integer({ minimum: 1, maximum: limits.healthRetries, description: "failures in a row that make it unhealthy; default 3" }),
    ),
    startPeriodMs: span(0, "after the start in which failures do not count; default 0"),
    startIntervalMs: span(limits.healthSpanMinMs, "between checks in that time; default 5,000"),
  },
  { ...closed, $id: "Healthcheck" },
);

export const healthStatuses = ["starting", "healthy", "unhealthy"] as const;

export const HealthSchema = Type.Object(
  {
    status: Type.Unsafe<HealthStatus>(Type.Union(healthStatuses.map((status) => Type.Literal(status)))),
    failingStreak: Type.Integer({ description: "failures since the last success" }),
    log: Type.Array(
      Type.Object(
        {
          startedAt: Type.String({ format: "date-time" }),
          ms: Type.Number({ description: "how long it took" }),
          exitCode: Type.Integer({ description: "-1 when it could not be run, or did not end in time" }),
          output: Type.String({ description: "the first 4,096 bytes" }),
        },
        closed,
      ),
      {
        description: "the last 5 checks, the oldest first; of those since the last change of the status a restart of the daemon loses some",
      },
    ),
  },
  { ...closed, $id: "Health" },
);

/** How to find out whether a workload works. */
export type Healthcheck = Static<typeof HealthcheckSchema>;
/** Whether a workload works: `starting` until a check said. */
export type HealthStatus = (typeof healthStatuses)[number];
/** What checks said. */
export type Health = Static<typeof HealthSchema>;
