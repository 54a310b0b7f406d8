import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;
const percent = (description: string) => Type.Number({ minimum: 0, maximum: 100, description: `${description}, percent of the time` });

const StallSchema = Type.Object(
  {
    some10: percent("somebody waited, last 10 s"),
    some60: percent("somebody waited, last 60 s"),
    full10: percent("everybody waited, last 10 s"),
    full60: percent("everybody waited, last 60 s"),
  },
  closed,
);

/** What is scarce on a host at one moment. */
export const PressureSampleSchema = Type.Object(
  {
    source: Type.Union([Type.Literal("psi"), Type.Literal("load")], {
      description:
        "psi: the kernel's own pressure figures; load: estimated from load average, vmstat and meminfo, where the kernel has none",
    }),
    atMs: Type.Integer({ description: "ms since 1970" }),
    cpu: StallSchema,
    memory: StallSchema,
    io: StallSchema,
  },
  { ...closed, $id: "PressureSample" },
);

/** What a host has and has left. */
export const HostFactsSchema = Type.Object(
  {
    cpus: Type.Integer(),
    memoryTotalBytes: Type.Integer(),
    memoryAvailableBytes: Type.Integer(),
    diskFreeBytes: Type.Integer({ description: "where the data folder is" }),
    processesLeft: Type.Integer({ description: "processes and threads that can still be started" }),
    descriptorsLeft: Type.Integer({ description: "files that the daemon can still open" }),
    pressure: Type.Optional(PressureSampleSchema),
  },
  { ...closed, $id: "HostFacts" },
);

export const MachineUseSchema = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    cpuPart: Type.Number({ description: "processor time since the sample before, as a part of one processor: 2 is two processors" }),
    memoryBytes: Type.Integer(),
    memorySource: Type.Union([Type.Literal("cgroup"), Type.Literal("rss")], {
      description: "cgroup: pages that are shared are counted once, for one machine; rss: for each",
    }),
    readBytesPerSecond: Type.Number({ description: "from the host's disks" }),
    writeBytesPerSecond: Type.Number({ description: "to the host's disks" }),
    operationsPerSecond: Type.Number({ description: "reads and writes of any kind of file" }),
  },
  { ...closed, $id: "MachineUse" },
);

export const MeasureSchema = Type.Union(
  [
    Type.Literal("pools"),
    Type.Literal("reclaim"),
    Type.Literal("weights"),
    Type.Literal("suspend"),
    Type.Literal("refuse"),
    Type.Literal("evict"),
  ],
  { description: "what is done under pressure, in this order" },
);

export const HostPressureSchema = Type.Object(
  {
    facts: HostFactsSchema,
    pressed: Type.Array(Type.Union([Type.Literal("cpu"), Type.Literal("memory"), Type.Literal("io")]), {
      description: "what is under pressure now",
    }),
    measures: Type.Array(MeasureSchema, { description: "measures in force" }),
    watching: Type.Boolean({ description: "whether measures are taken at all" }),
    machines: Type.Array(MachineUseSchema, { description: "those that have a process, the costliest first" }),
  },
  { ...closed, $id: "HostPressure" },
);

/** What is scarce on a host at one moment; percent, 0 to 100. */
export type PressureSample = Static<typeof PressureSampleSchema>;
/** What a host has and has left. */
export type HostFacts = Static<typeof HostFactsSchema>;
/** What one machine costs its host. */
export type MachineUse = Static<typeof MachineUseSchema>;
/** What is done under pressure. */
export type Measure = Static<typeof MeasureSchema>;
/** A host, its pressure, and what its machines cost it. */
export type HostPressure = Static<typeof HostPressureSchema>;
