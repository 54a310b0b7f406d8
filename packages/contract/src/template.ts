import { type Static, Type } from "typebox";
import { AcceleratorSchema } from "./machine.ts";

export const TemplateSchema = Type.Object(
  {
    key: Type.String({ description: "64 hex digits: SHA-256 of everything that must match between the template and its clones" }),
    state: Type.Union([Type.Literal("ready"), Type.Literal("quarantined")], { description: "machines of a quarantined shape boot" }),
    reason: Type.Optional(Type.String({ description: "why it is quarantined" })),
    failedAt: Type.Optional(Type.String({ format: "date-time" })),
    imageDigest: Type.String(),
    engine: Type.String({ description: "with its version" }),
    accelerator: AcceleratorSchema,
    cpus: Type.Integer(),
    memoryBytes: Type.Integer(),
    diskBytes: Type.Optional(Type.Integer({ description: "absent for a read-only root" })),
    network: Type.Union([Type.Literal("none"), Type.Literal("user"), Type.Literal("bridge")]),
    sizeBytes: Type.Integer({ description: "on disk" }),
    createdAt: Type.String({ format: "date-time" }),
    usedAt: Type.String({ format: "date-time" }),
    clones: Type.Integer({ description: "machines cloned from it since the daemon started" }),
    prepared: Type.Optional(Type.Integer({ description: "clones that wait in its pool" })),
    zygote: Type.Optional(Type.Boolean({ description: "whether there is a process that has its state, of which machines are forks" })),
  },
  { additionalProperties: false, $id: "Template" },
);

export const TemplateListSchema = Type.Object({ templates: Type.Array(TemplateSchema) }, { additionalProperties: false });

/** A snapshot that Isthmus took by itself of a booted, idle guest, for machines of one image and shape to be cloned from. */
export type Template = Static<typeof TemplateSchema>;
