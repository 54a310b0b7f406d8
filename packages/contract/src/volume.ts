import { type Static, Type } from "typebox";
import { defaults, limits } from "./limits.ts";
import { namePattern } from "./names.ts";

const closed = { additionalProperties: false } as const;
const labels = Type.Record(
  Type.String({ pattern: `^[^\\u0000]{1,${limits.labelKeyChars}}$` }),
  Type.String({ maxLength: limits.labelValueChars, description: "label value" }),
  { ...closed, maxProperties: limits.labels },
);
const sizeBytes = Type.Integer({
  minimum: limits.diskMinBytes,
  maximum: limits.diskMaxBytes,
  default: defaults.volumeBytes,
  description: "what it can hold at most, bytes; on the host it takes what is in it",
});

export const VolumeSpecSchema = Type.Object(
  {
    name: Type.Optional(
      Type.String({ maxLength: 1024, description: "unique on a host; made up when absent, and the volume is then anonymous" }),
    ),
    sizeBytes: Type.Optional(sizeBytes),
    labels: Type.Optional(labels),
    tenant: Type.Optional(
      Type.String({
        pattern: namePattern,
        description: "whose it is to be; when absent the caller's, or the host's for a caller without one",
      }),
    ),
  },
  { ...closed, $id: "VolumeSpec" },
);

export const VolumeUseSchema = Type.Object(
  {
    machineId: Type.String(),
    machineName: Type.String(),
    path: Type.String({ description: "in the machine" }),
    readOnly: Type.Boolean(),
    holds: Type.Boolean({ description: "it has the volume now; a machine that has ended only names it" }),
  },
  closed,
);

export const VolumeSchema = Type.Object(
  {
    name: Type.String(),
    sizeBytes: Type.Integer({ description: "what it can hold at most" }),
    usedBytes: Type.Integer({ description: "what it takes on the host" }),
    anonymous: Type.Boolean({ description: "made for one machine, without a name of its user's" }),
    labels,
    tenant: Type.Optional(Type.String({ description: "whose it is; absent: the host's" })),
    createdAt: Type.String({ format: "date-time" }),
    usedBy: Type.Array(VolumeUseSchema, { description: "machines that have it among their mounts" }),
  },
  { ...closed, $id: "Volume" },
);

export const VolumeListSchema = Type.Object({ volumes: Type.Array(VolumeSchema) }, closed);

/** What a volume is to be. */
export type VolumeSpec = Static<typeof VolumeSpecSchema>;
/** A file system of its own, in a file of the host, that outlives the machines that mount it. */
export type Volume = Static<typeof VolumeSchema>;
/** A machine that names a volume. */
export type VolumeUse = Static<typeof VolumeUseSchema>;
