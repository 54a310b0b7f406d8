import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";
import { RestartSchema } from "./machine.ts";
import { PrioritySchema, ResourcesSchema } from "./resources.ts";

const closed = { additionalProperties: false } as const;

/** Each limit, or null where there is to be none. */
const ResourcesUpdateSchema = Type.Object(
  Object.fromEntries(
    Object.entries(ResourcesSchema.properties).map(([name, schema]) => [name, Type.Optional(Type.Union([schema, Type.Null()]))]),
  ),
  closed,
);

/** What may change of a machine. What is absent stays as it is. */
export const MachineUpdateSchema = Type.Object(
  {
    resources: Type.Optional(
      Type.Unsafe<ResourcesUpdate>({ ...ResourcesUpdateSchema, description: "limits, changed while it runs; null takes one away" }),
    ),
    restart: Type.Optional(RestartSchema),
    priority: Type.Optional(PrioritySchema),
    evictable: Type.Optional(Type.Boolean()),
    cpus: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.cpus, description: "of a machine that has no process" })),
    memoryBytes: Type.Optional(
      Type.Integer({ minimum: limits.memoryMinBytes, maximum: limits.memoryMaxBytes, description: "of a machine that has no process" }),
    ),
  },
  { ...closed, $id: "MachineUpdate" },
);

type Limits = Static<typeof ResourcesSchema>;
/** Limits to set; null takes one away. */
export type ResourcesUpdate = { readonly [Name in keyof Limits]?: Limits[Name] | null };
/** What may change of a machine. */
export type MachineUpdate = Static<typeof MachineUpdateSchema>;
