import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";
import { AcceleratorSchema, MachineSpecSchema, PortSchema } from "./machine.ts";

const closed = { additionalProperties: false } as const;
const name = Type.String({ maxLength: 1024, description: "1 to 63 letters, digits, '_', '.' or '-'; made up when absent" });

export const SnapshotSchema = Type.Object(
  {
    id: Type.String({ description: "16 hex digits" }),
    name: Type.String(),
    machineId: Type.String({ description: "of the machine that it was taken of, which may be gone" }),
    machineName: Type.String(),
    imageDigest: Type.String(),
    spec: MachineSpecSchema,
    engine: Type.String({ description: "with its version" }),
    accelerator: AcceleratorSchema,
    sizeBytes: Type.Integer({ description: "memory, devices and disk, on disk" }),
    pausedMs: Type.Number({ description: "for how long the machine stood still while it was taken" }),
    createdAt: Type.String({ format: "date-time" }),
    unusable: Type.Optional(Type.String({ description: "why it cannot be cloned from on this host now; absent when it can" })),
  },
  { ...closed, $id: "Snapshot" },
);

export const SnapshotListSchema = Type.Object({ snapshots: Type.Array(SnapshotSchema) }, closed);

export const SnapshotSpecSchema = Type.Object({ name: Type.Optional(name) }, closed);

export const CloneSpecSchema = Type.Object(
  {
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.clonesPerRequest, default: 1 })),
    name: Type.Optional(
      Type.String({ maxLength: 1024, description: "of the clone; with a count over 1, -1, -2 … are added. Made up when absent" }),
    ),
    ports: Type.Optional(
      Type.Array(PortSchema, {
        maxItems: limits.ports,
        description: "published instead of the original's; when absent, the original's guest ports on free host ports",
      }),
    ),
    autoRemove: Type.Optional(Type.Boolean({ description: "the original's when absent" })),
  },
  { ...closed, $id: "CloneSpec" },
);

/** Memory, devices and disk of a machine at one moment, kept until it is removed; any number of machines can be cloned from it. */
export type Snapshot = Static<typeof SnapshotSchema>;
/** What clones of a machine or snapshot are to be. */
export type CloneSpec = Static<typeof CloneSpecSchema>;
