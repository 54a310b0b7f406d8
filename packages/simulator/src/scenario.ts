import { IsthmusError, MIB } from "@isthmus/contract";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { DURATION_MAX_MS, HOSTS_MAX, PER_MINUTE_MAX } from "./config.ts";

const closed = { additionalProperties: false } as const;
const positive = (description: string, maximum?: number) =>
  Type.Number({ exclusiveMinimum: 0, ...(maximum === undefined ? {} : { maximum }), description });
const count = (description: string, maximum: number) => Type.Integer({ minimum: 1, maximum, description });

const ArrivalsSchema = Type.Union(
  [
    Type.Object({ pattern: Type.Literal("steady"), perMinute: positive("starts, at random moments", PER_MINUTE_MAX) }, closed),
    Type.Object(
      {
        pattern: Type.Literal("burst"),
        starts: count("all at once", PER_MINUTE_MAX),
        atMs: Type.Optional(Type.Number({ minimum: 0, description: "default 0" })),
        everyMs: Type.Optional(positive("again and again")),
      },
      closed,
    ),
    Type.Object(
      { pattern: Type.Literal("diurnal"), perMinute: positive("starts, mean of a day that begins at its quietest", PER_MINUTE_MAX) },
      closed,
    ),
  ],
  { description: "when a tenant asks for starts" },
);

const RunsSchema = Type.Union(
  [
    Type.Object({ distribution: Type.Literal("fixed"), ms: positive("") }, closed),
    Type.Object({ distribution: Type.Literal("exponential"), meanMs: positive("") }, closed),
    Type.Object({ distribution: Type.Literal("serverless") }, closed),
  ],
  { description: "how long machines run: serverless is the heavy-tailed mixture of published traces" },
);

const TenantSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    weight: Type.Optional(positive("default 1")),
    machines: Type.Optional(count("its quota", 1e6)),
    priority: Type.Optional(Type.Union([Type.Literal("low"), Type.Literal("normal"), Type.Literal("high")])),
    maxWaitMs: Type.Optional(Type.Number({ minimum: 0, description: "for capacity; default 0" })),
    cpus: Type.Optional(count("of a machine; default 1", 256)),
    memoryMib: Type.Optional(count("of a machine; default 128", 1024 * 1024)),
    arrivals: ArrivalsSchema,
    runs: RunsSchema,
  },
  closed,
);

export const ScenarioSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    seed: Type.Optional(Type.Integer({ minimum: 0, description: "default 1" })),
    durationMs: positive("simulated time", DURATION_MAX_MS),
    hosts: Type.Object(
      {
        count: count("all alike; default 1", HOSTS_MAX),
        cpus: count("", 1024),
        memoryGib: positive("", 65_536),
        startCpuMs: positive("processor time of one start"),
        startWaitMs: Type.Optional(Type.Number({ minimum: 0, description: "what of a start is waiting; default 0" })),
        thrash: Type.Optional(
          Type.Number({ minimum: 0, description: "how much more a start costs for each start per processor beyond one; default 0.05" }),
        ),
      },
      closed,
    ),
    limits: Type.Optional(
      Type.Object(
        {
          machines: Type.Optional(count("per host", 1e6)),
          limiter: Type.Optional(Type.Union([Type.Literal("adaptive"), Type.Literal("static")])),
          startsInFlight: Type.Optional(count("per host", 10_000)),
          ratePerSecond: Type.Optional(Type.Number({ minimum: 0, description: "per host; 0: no such limit" })),
          queueLength: Type.Optional(count("per host", 1e6)),
          memoryOvercommit: Type.Optional(Type.Number({ minimum: 1, maximum: 32 })),
        },
        closed,
      ),
    ),
    tenants: Type.Array(TenantSchema, { minItems: 1, maxItems: 1_000 }),
  },
  closed,
);

export type Scenario = Static<typeof ScenarioSchema>;
export type TenantScenario = Static<typeof TenantSchema>;

/** Throws INVALID_REQUEST with the first field that is wrong. */
export function parseScenario(value: unknown): Scenario {
  if (Value.Check(ScenarioSchema, value)) return value;
  const [first] = [...Value.Errors(ScenarioSchema, value)].sort((a, b) => b.instancePath.length - a.instancePath.length);
  const field = first?.instancePath.slice(1).replaceAll("/", ".") || "scenario";
  throw new IsthmusError("INVALID_REQUEST", { field, reason: first?.message ?? "it is no scenario" });
}

export function memoryOf({ memoryMib = 128 }: TenantScenario): number {
  return memoryMib * MIB;
}
