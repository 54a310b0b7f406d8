import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";

const closed = { additionalProperties: false } as const;
const time = (description: string) => Type.String({ format: "date-time", maxLength: 40, description });

/** What a machine needs is written with these characters everywhere: in specs, labels and pools. */
export const ProductSchema = Type.String({
  minLength: 1,
  maxLength: limits.productChars,
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.+-]*$",
  description: "name of a licensed product",
});

export const LicenceMetricSchema = Type.Union(
  [
    Type.Literal("per-machine"),
    Type.Literal("per-vcpu"),
    Type.Literal("per-host-core"),
    Type.Literal("per-named-user"),
    Type.Literal("concurrent"),
  ],
  {
    description:
      "what is counted: machines; vCPUs of machines; all cores of the host while any machine uses the product; distinct users; machines at work at the same time",
  },
);

const poolFields = {
  product: ProductSchema,
  metric: LicenceMetricSchema,
  seats: Type.Integer({ minimum: 0, maximum: limits.seats }),
  minimumPerMachine: Type.Optional(
    Type.Integer({ minimum: 1, maximum: limits.seats, description: "per-vcpu only: seats that a machine takes at least; default 1" }),
  ),
  validFrom: Type.Optional(time("no seat is granted before")),
  validTo: Type.Optional(time("no seat is granted from then on")),
  limit: Type.Optional(
    Type.Union([Type.Literal("hard"), Type.Literal("soft")], {
      default: "hard",
      description: "soft: may be exceeded by graceSeats for graceMs, and used for graceMs after validTo",
    }),
  ),
  graceSeats: Type.Optional(
    Type.Integer({ minimum: 0, maximum: limits.seats, description: "soft only; a tenth of the seats when absent" }),
  ),
  graceMs: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.ttlMaxMs, description: "soft only; 7 days when absent" })),
  onShortage: Type.Optional(
    Type.Union([Type.Literal("refuse"), Type.Literal("queue")], {
      default: "queue",
      description: "what becomes of a start without a seat",
    }),
  ),
  onSuspend: Type.Optional(
    Type.Union([Type.Literal("return"), Type.Literal("keep")], {
      default: "return",
      description: "whether suspended machines keep their seats",
    }),
  ),
  images: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: limits.imageRefChars }), {
      maxItems: limits.licenceImages,
      description: "machines of these images need the product: NAME, NAME:TAG or sha256:DIGEST, * for any characters",
    }),
  ),
};

/** A pool as it is asked for. */
export const LicencePoolSpecSchema = Type.Object(
  { name: Type.Optional(Type.String({ maxLength: 1024, description: "the product when absent" })), ...poolFields },
  { ...closed, $id: "LicencePoolSpec" },
);

const decided = {
  name: Type.String(),
  ...poolFields,
  limit: Type.Union([Type.Literal("hard"), Type.Literal("soft")]),
  onShortage: Type.Union([Type.Literal("refuse"), Type.Literal("queue")]),
  onSuspend: Type.Union([Type.Literal("return"), Type.Literal("keep")]),
  images: Type.Array(Type.String()),
  createdAt: time("when it was added"),
  updatedAt: time("when it was last changed"),
};

export const LicencePoolSchema = Type.Object(decided, { ...closed, $id: "LicencePool" });

export const SeatHolderSchema = Type.Object(
  {
    machineId: Type.String(),
    machineName: Type.String(),
    state: Type.String({ description: "of the machine" }),
    seats: Type.Integer(),
    share: Type.Optional(Type.String({ description: "seats under the same name count once: host, or user:NAME" })),
    since: time("when they were taken"),
    expectedAt: Type.Optional(time("when they are expected back: by the machine's ttl, else by the typical length of a run")),
  },
  { ...closed, $id: "SeatHolder" },
);

export const LicencePoolStatusSchema = Type.Object(
  {
    ...decided,
    used: Type.Integer(),
    free: Type.Integer({ description: "seats less used; below 0 while a soft limit is exceeded or seats were taken away" }),
    standing: Type.Union(
      [Type.Literal("ok"), Type.Literal("short"), Type.Literal("grace"), Type.Literal("not-yet-valid"), Type.Literal("expired")],
      { description: "short: all seats are in use; grace: a soft limit is exceeded or its validity has ended" },
    ),
    typicalRunMs: Type.Optional(Type.Integer({ description: "median of the latest leases that were returned" })),
    holders: Type.Array(SeatHolderSchema, { description: "longest first" }),
  },
  { ...closed, $id: "LicencePoolStatus" },
);

export const LicencePoolListSchema = Type.Object({ pools: Type.Array(LicencePoolStatusSchema) }, closed);

export const LicenceDaySchema = Type.Object(
  {
    day: Type.String({ description: "YYYY-MM-DD, UTC" }),
    highWater: Type.Integer({ description: "most seats in use at one moment" }),
    highWaterAt: time("the first such moment"),
    total: Type.Integer({ description: "seats of all pools of the product at that moment" }),
    taken: Type.Integer({ description: "leases that began" }),
    returned: Type.Integer({ description: "leases that ended" }),
    seatHours: Type.Number({ description: "seats in use, summed over the day" }),
  },
  { ...closed, $id: "LicenceDay" },
);

export const LicenceUseSchema = Type.Object(
  {
    pool: Type.String(),
    machineId: Type.String(),
    machineName: Type.String(),
    tenant: Type.String(),
    user: Type.Optional(Type.String({ description: "per-named-user only" })),
    image: Type.String(),
    seats: Type.Integer(),
    from: time("when the seats were taken"),
    to: Type.Optional(time("when they were returned; absent while they are held")),
  },
  { ...closed, $id: "LicenceUse" },
);

export const LicenceForecastSchema = Type.Object(
  {
    exhaustedAt: Type.Optional(time("when the daily high-water mark is expected to reach the seats")),
    seatsPerDay: Type.Number({ description: "slope of the daily high-water marks" }),
    days: Type.Integer({ description: "days that it was computed from" }),
    reason: Type.String({ description: "the forecast in words" }),
  },
  { ...closed, $id: "LicenceForecast" },
);

export const LicenceProductReportSchema = Type.Object(
  {
    product: Type.String(),
    total: Type.Integer({ description: "seats of all its pools at the end of the time reported on" }),
    used: Type.Integer({ description: "in use at that moment" }),
    highWater: Type.Integer(),
    days: Type.Array(LicenceDaySchema),
    uses: Type.Array(LicenceUseSchema, { description: "oldest first" }),
    usesLeftOut: Type.Integer({ description: "older uses that are counted in days but not listed" }),
    forecast: LicenceForecastSchema,
  },
  { ...closed, $id: "LicenceProductReport" },
);

export const LicenceAuditSchema = Type.Object(
  {
    ok: Type.Boolean(),
    events: Type.Integer({ description: "events of the log that it was recomputed from" }),
    differences: Type.Array(Type.String(), { description: "empty when the log, the machines and the pools agree" }),
  },
  { ...closed, $id: "LicenceAudit" },
);

export const LicenceReportSchema = Type.Object(
  {
    since: time("begin of the time reported on"),
    until: time("end of it"),
    completeSince: Type.Optional(time("of the oldest event that is kept; absent when there is none")),
    products: Type.Array(LicenceProductReportSchema),
    audit: Type.Optional(LicenceAuditSchema),
  },
  { ...closed, $id: "LicenceReport" },
);

/** What is counted. */
export type LicenceMetric = Static<typeof LicenceMetricSchema>;
/** A pool as it is asked for; what is absent has a default. */
export type LicencePoolSpec = Static<typeof LicencePoolSpecSchema>;
/** Seats of one product under one agreement. */
export type LicencePool = Static<typeof LicencePoolSchema>;
/** A machine that holds seats. */
export type SeatHolder = Static<typeof SeatHolderSchema>;
/** A pool with who holds its seats now. */
export type LicencePoolStatus = Static<typeof LicencePoolStatusSchema>;
/** One day of a product. */
export type LicenceDay = Static<typeof LicenceDaySchema>;
/** Seats that one machine held or holds. */
export type LicenceUse = Static<typeof LicenceUseSchema>;
/** When a product's seats will not be enough. */
export type LicenceForecast = Static<typeof LicenceForecastSchema>;
/** What happened with one product's seats. */
export type LicenceProductReport = Static<typeof LicenceProductReportSchema>;
/** Whether the event log agrees with everything else. */
export type LicenceAudit = Static<typeof LicenceAuditSchema>;
/** Who used what when, computed from the event log alone. */
export type LicenceReport = Static<typeof LicenceReportSchema>;
