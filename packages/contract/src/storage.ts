import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;
const bytes = (description: string) => Type.Integer({ description });

const KindSchema = Type.Object(
  {
    kind: Type.Union([
      Type.Literal("images"),
      Type.Literal("machines"),
      Type.Literal("volumes"),
      Type.Literal("snapshots"),
      Type.Literal("templates"),
    ]),
    count: Type.Integer(),
    active: Type.Integer({ description: "in use: machines that have not ended, what machines or snapshots are made of or name" }),
    sizeBytes: bytes("on the host's disk; of images their content, unpacked"),
    reclaimableBytes: bytes("of what is not in use. Snapshots are their users' and none of it"),
  },
  closed,
);

const MachineUseSchema = Type.Object(
  { id: Type.String(), name: Type.String(), state: Type.String(), sizeBytes: bytes("disk, output, and what is saved of it") },
  closed,
);

/** What takes room on the host's disk. */
export const StorageUseSchema = Type.Object(
  { kinds: Type.Array(KindSchema), machines: Type.Array(MachineUseSchema, { description: "the largest first" }) },
  { ...closed, $id: "StorageUse" },
);

/** What takes room on the host's disk. */
export type StorageUse = Static<typeof StorageUseSchema>;
