import { type Static, Type } from "typebox";

export const MachineProcessSchema = Type.Object(
  {
    pid: Type.Integer({ description: "in the machine" }),
    parent: Type.Integer(),
    uid: Type.Integer(),
    rssBytes: Type.Number(),
    cpuMs: Type.Number({ description: "processor time used, ms" }),
    startedAt: Type.String({ format: "date-time" }),
    command: Type.String({ description: "its arguments with spaces between them, 4,096 bytes at most" }),
  },
  { additionalProperties: false, $id: "MachineProcess" },
);

export const MachineProcessesSchema = Type.Object({ processes: Type.Array(MachineProcessSchema) }, { additionalProperties: false });

export const FileChangeSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal("A"), Type.Literal("C"), Type.Literal("D")], { description: "added, changed, deleted" }),
    path: Type.String({ description: "absolute, in the machine" }),
  },
  { additionalProperties: false, $id: "FileChange" },
);

export const FileChangesSchema = Type.Object({ changes: Type.Array(FileChangeSchema) }, { additionalProperties: false });

/** A process of a machine. */
export type MachineProcess = Static<typeof MachineProcessSchema>;
/** A path that a machine's disk has otherwise than its image. */
export type FileChange = Static<typeof FileChangeSchema>;
