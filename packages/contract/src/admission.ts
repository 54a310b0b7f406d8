import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";
import { HostFactsSchema, MeasureSchema } from "./pressure.ts";

const closed = { additionalProperties: false } as const;
const count = (description: string) => Type.Optional(Type.Integer({ minimum: 0, maximum: limits.quotaCount, description }));
const bytes = (description: string) => Type.Optional(Type.Integer({ minimum: 0, maximum: limits.quotaBytes, description }));

const quotaFields = {
  machines: count("machines that run or wait to be ended"),
  vcpus: count("virtual CPUs of them"),
  memoryBytes: bytes("memory of them, what their engines need included"),
  diskBytes: bytes("writable layers of them and the tenant's volumes, at their full size"),
  ports: count("published ports of them"),
  queued: count("starts that wait"),
};

/** What a tenant may have; what is absent is as much as the host gives. */
export const QuotaSpecSchema = Type.Object(
  {
    weight: Type.Optional(
      Type.Number({
        minimum: limits.quotaWeightMin,
        maximum: limits.quotaWeightMax,
        default: 1,
        description: "its share of the starts beside the weights of the others that wait",
      }),
    ),
    ...quotaFields,
  },
  { ...closed, $id: "QuotaSpec" },
);

export const QuotaSchema = Type.Object(
  {
    tenant: Type.String(),
    weight: Type.Number(),
    ...quotaFields,
    updatedAt: Type.Optional(Type.String({ format: "date-time", description: "absent: nobody gave it one, and this is what holds" })),
    used: Type.Object(
      {
        machines: Type.Integer(),
        vcpus: Type.Integer(),
        memoryBytes: Type.Integer(),
        diskBytes: Type.Integer(),
        ports: Type.Integer(),
        queued: Type.Integer(),
      },
      { ...closed, description: "now" },
    ),
  },
  { ...closed, $id: "Quota" },
);

export const QuotaListSchema = Type.Object({ quotas: Type.Array(QuotaSchema) }, closed);

/** A limit that something did not fit under. */
export const ShortageSchema = Type.Object(
  {
    limit: Type.String({ description: "as the host's status names it" }),
    scope: Type.Optional(Type.String({ description: "tenant, image, isolation or pool that it is of" })),
    needed: Type.Number(),
    used: Type.Number(),
    max: Type.Number(),
    unit: Type.String(),
    kind: Type.Union([
      Type.Literal("capacity"),
      Type.Literal("quota"),
      Type.Literal("licence"),
      Type.Literal("queue"),
      Type.Literal("rate"),
    ]),
    permanent: Type.Boolean({ description: "it could never fit" }),
    expectedMs: Type.Optional(Type.Number({ description: "when it is expected to fit, from now" })),
  },
  { ...closed, $id: "Shortage" },
);

export const QueuePlaceSchema = Type.Object(
  {
    position: Type.Integer({ description: "from 1" }),
    ahead: Type.Integer(),
    waitedMs: Type.Number(),
    estimatedMs: Type.Optional(Type.Number({ description: "until it is let in; absent where nobody can tell" })),
    cause: Type.Union([Type.Literal("start-slots"), Type.Literal("rate"), Type.Literal("limit")]),
    shortage: Type.Optional(ShortageSchema),
    text: Type.String({ description: "all of it in words" }),
  },
  { ...closed, $id: "QueuePlace" },
);

export const WhySchema = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    state: Type.String(),
    summary: Type.String({ description: "one sentence" }),
    reasons: Type.Array(Type.String(), { description: "what it is put together from, with numbers" }),
    place: Type.Optional(QueuePlaceSchema),
  },
  { ...closed, $id: "Why" },
);

export const LimitUseSchema = Type.Object(
  {
    limit: Type.String(),
    scope: Type.Optional(Type.String({ description: "tenant, image, isolation or pool that it is of" })),
    unit: Type.String(),
    used: Type.Number(),
    max: Type.Number(),
    source: Type.Union([Type.Literal("host"), Type.Literal("setting")], { description: "what it follows from" }),
    setting: Type.Optional(Type.String({ description: "the environment variable of the daemon that sets it" })),
    from: Type.String({ description: "how it came about, in words" }),
  },
  { ...closed, $id: "LimitUse" },
);

export const HostStatusSchema = Type.Object(
  {
    limits: Type.Array(LimitUseSchema),
    queue: Type.Object(
      {
        length: Type.Integer(),
        max: Type.Integer(),
        oldestMs: Type.Number({ description: "how long the first of them has waited; 0 when nobody waits" }),
        ageMaxMs: Type.Number(),
        tenants: Type.Array(
          Type.Object({ tenant: Type.String(), weight: Type.Number(), queued: Type.Integer(), held: Type.Integer() }, closed),
          { description: "those that have machines or wait, the longest queue first" },
        ),
      },
      closed,
    ),
    starts: Type.Object(
      {
        inFlight: Type.Integer(),
        limit: Type.Integer({ description: "that may be in flight now" }),
        max: Type.Integer({ description: "that the limit may grow to" }),
        mode: Type.Union([Type.Literal("adaptive"), Type.Literal("static")]),
        stretch: Type.Number({
          description: "how many times longer than the fastest of their kind starts took of late; 1: they do not hinder one another",
        }),
        ratePerSecond: Type.Number({ description: "starts a second in the long run; 0: no such limit" }),
        rateBurst: Type.Number(),
        kinds: Type.Record(Type.String(), Type.Object({ leastMs: Type.Number(), meanMs: Type.Number() }, closed)),
      },
      closed,
    ),
    refusals: Type.Record(Type.String(), Type.Integer(), { description: "since the daemon started, by limit" }),
    facts: HostFactsSchema,
    measures: Type.Array(MeasureSchema, { description: "taken against pressure now" }),
    seats: Type.Array(Type.Object({ pool: Type.String(), product: Type.String(), used: Type.Integer(), seats: Type.Integer() }, closed)),
  },
  { ...closed, $id: "HostStatus" },
);

/** A limit of a host and how much of it is used. */
export type LimitUse = Static<typeof LimitUseSchema>;
/** Every limit of a host, what waits, and what may be started now. */
export type HostStatus = Static<typeof HostStatusSchema>;
/** What a tenant may have, as it is asked for. */
export type QuotaSpec = Static<typeof QuotaSpecSchema>;
/** What a tenant may have, and has. */
export type Quota = Static<typeof QuotaSchema>;
/** A limit that something did not fit under. */
export type AdmissionShortage = Static<typeof ShortageSchema>;
/** Where a start stands in the queue. */
export type QueuePosition = Static<typeof QueuePlaceSchema>;
/** Why a machine is as it is. */
export type Why = Static<typeof WhySchema>;
