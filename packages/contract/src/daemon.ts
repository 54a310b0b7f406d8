import { type Static, Type } from "typebox";

export const EventSchema = Type.Object(
  {
    seq: Type.Integer({ description: "grows by one with each event; the place to go on from" }),
    time: Type.String({ format: "date-time" }),
    type: Type.String({ description: "machine.created, machine.running, machine.exited, image.imported, daemon.started, …" }),
    machineId: Type.Optional(Type.String()),
    machineName: Type.Optional(Type.String()),
    details: Type.Record(Type.String(), Type.Unknown()),
  },
  { $id: "Event" },
);

/** One piece of a workload's output. `text` is its bytes as UTF-8; `base64` instead where they are not. */
export const LogLineSchema = Type.Object(
  {
    stream: Type.Union([Type.Literal("stdout"), Type.Literal("stderr"), Type.Literal("system")]),
    time: Type.String({ format: "date-time" }),
    text: Type.Optional(Type.String()),
    base64: Type.Optional(Type.String()),
    next: Type.Integer({ minimum: 0, description: "place in the output after this piece: give it as `from` to read on" }),
  },
  { $id: "LogLine" },
);

export const FindingSchema = Type.Object(
  {
    id: Type.String({ description: "accelerator, qemu, squashfs-tools, kernel, cgroup, psi, …" }),
    level: Type.Union([Type.Literal("ok"), Type.Literal("note"), Type.Literal("warning"), Type.Literal("error")]),
    title: Type.String(),
    detail: Type.String({ description: "what was found, with figures" }),
    remedy: Type.String({ description: "what to do; empty when there is nothing to do" }),
  },
  { $id: "Finding" },
);

export const DoctorReportSchema = Type.Object(
  { findings: Type.Array(FindingSchema), ok: Type.Boolean({ description: "no finding is an error" }) },
  { $id: "DoctorReport" },
);

export const VersionSchema = Type.Object(
  {
    version: Type.String(),
    api: Type.Literal("v1"),
    pid: Type.Integer(),
    startedAt: Type.String({ format: "date-time" }),
    node: Type.String(),
    home: Type.String(),
    machines: Type.Record(Type.String(), Type.Integer(), { description: "how many in each state" }),
    rssBytes: Type.Integer(),
  },
  { $id: "Version" },
);

export const ErrorBodySchema = Type.Object(
  {
    error: Type.Object({
      code: Type.String(),
      message: Type.String(),
      remedy: Type.String(),
      status: Type.Integer(),
      details: Type.Record(Type.String(), Type.Unknown()),
    }),
  },
  { $id: "ErrorBody" },
);

/** Something that happened, with its place in the order of all events. */
export type Event = Static<typeof EventSchema>;
/** A piece of a workload's output, or a note of ours. */
export type LogLine = Static<typeof LogLineSchema>;
/** One thing that the doctor looked at. */
export type Finding = Static<typeof FindingSchema>;
/** What the host has and lacks. */
export type DoctorReport = Static<typeof DoctorReportSchema>;
/** What answers at an address. */
export type Version = Static<typeof VersionSchema>;
