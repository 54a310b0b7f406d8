import { type Static, Type } from "typebox";
import { LogLineSchema } from "./daemon.ts";
import { EgressPolicySchema } from "./egress.ts";
import { HealthcheckSchema, HealthSchema } from "./health.ts";
import { ProductSchema } from "./licence.ts";
import { defaults, limits } from "./limits.ts";
import { absolutePathPattern, hostnamePattern, namePattern } from "./names.ts";
import { AttachmentSchema } from "./network.ts";
import { PrioritySchema, ResourcesSchema } from "./resources.ts";
import { type MachineState, machineStates } from "./states.ts";

const closed = { additionalProperties: false } as const;
const text = (maxLength: number, description: string) => Type.String({ maxLength, description });
/** Strings that travel to the guest: no NUL, which C cannot carry. */
const word = Type.String({ maxLength: limits.processBytes, pattern: "^[^\\u0000]*$" });

/** Names that match no pattern are refused, not passed over. */
const EnvSchema = Type.Record(Type.String({ pattern: "^[^=\\u0000]+$" }), word, { ...closed, maxProperties: limits.envEntries });
const absolutePath = Type.String({ maxLength: limits.pathChars, pattern: absolutePathPattern });

export const IsolationSchema = Type.Union([Type.Literal("microvm"), Type.Literal("container"), Type.Literal("vm")], { $id: "Isolation" });
export const AcceleratorSchema = Type.Union([Type.Literal("kvm"), Type.Literal("tcg")], { $id: "Accelerator" });

export const PortSchema = Type.Object(
  {
    guest: Type.Integer({ minimum: 1, maximum: 65535, description: "port in the guest" }),
    host: Type.Integer({ minimum: 0, maximum: 65535, default: 0, description: "port on the host; 0 takes a free one" }),
    address: Type.String({
      default: "127.0.0.1",
      pattern: "^[0-9a-fA-F.:]{2,39}$",
      description: "address on the host: of the loopback, 127.x.x.x; of machines on a network any that the host has, 0.0.0.0 and ::",
    }),
    protocol: Type.Union([Type.Literal("tcp"), Type.Literal("udp")], { default: "tcp" }),
  },
  closed,
);

export const TmpfsSchema = Type.Object(
  { path: absolutePath, sizeBytes: Type.Optional(Type.Integer({ minimum: 4096, maximum: limits.memoryMaxBytes })) },
  closed,
);

export const MountSchema = Type.Object(
  {
    type: Type.Union([Type.Literal("volume"), Type.Literal("bind")]),
    source: Type.Optional(
      Type.String({
        maxLength: limits.pathChars,
        description:
          "of a volume its name, and it is made, for the tenant that is named here, when there is none; an anonymous one when absent. Of a bind the absolute path of a folder or file on the host",
      }),
    ),
    path: absolutePath,
    readOnly: Type.Optional(Type.Boolean({ default: false })),
    sizeBytes: Type.Optional(
      Type.Integer({
        minimum: limits.diskMinBytes,
        maximum: limits.diskMaxBytes,
        description: "of a volume that is made for this machine, bytes",
      }),
    ),
  },
  closed,
);

export const RestartSchema = Type.Object(
  {
    policy: Type.Union([Type.Literal("no"), Type.Literal("on-failure"), Type.Literal("unless-stopped"), Type.Literal("always")]),
    maxRetries: Type.Optional(
      Type.Integer({ minimum: 0, maximum: limits.restartRetries, description: "on-failure only; unlimited when absent" }),
    ),
  },
  closed,
);

/** What a user asks for. Absent fields take the image's config, then `defaults`. */
export const MachineSpecSchema = Type.Object(
  {
    image: Type.String({
      minLength: 1,
      maxLength: limits.imageRefChars,
      description: "NAME, NAME:TAG, NAME@sha256:DIGEST or sha256:DIGEST",
    }),
    isolation: Type.Optional(
      Type.Union([Type.Literal("auto"), Type.Literal("microvm"), Type.Literal("container"), Type.Literal("vm")], { default: "auto" }),
    ),
    name: Type.Optional(Type.String({ maxLength: 1024, description: "unique; made up when absent" })),
    command: Type.Optional(Type.Array(word, { maxItems: limits.commandWords, description: "replaces the image's Cmd" })),
    entrypoint: Type.Optional(Type.Array(word, { maxItems: limits.commandWords, description: "replaces the image's Entrypoint and Cmd" })),
    env: Type.Optional(EnvSchema),
    workdir: Type.Optional(absolutePath),
    user: Type.Optional(
      Type.String({ maxLength: 255, pattern: "^[a-zA-Z0-9_.$-]*(:[a-zA-Z0-9_.$-]+)?$", description: "name, uid, name:group or uid:gid" }),
    ),
    hostname: Type.Optional(Type.String({ minLength: 1, maxLength: limits.hostnameChars, pattern: hostnamePattern })),
    tty: Type.Optional(Type.Boolean({ default: false, description: "a terminal; stdout and stderr become one" })),
    stdin: Type.Optional(Type.Boolean({ default: false, description: "keep stdin open for attach" })),
    cpus: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.cpus, default: defaults.cpus })),
    memoryBytes: Type.Optional(
      Type.Integer({
        minimum: limits.memoryMinBytes,
        maximum: limits.memoryMaxBytes,
        default: defaults.memoryBytes,
        description: "bytes, rounded up to MiB",
      }),
    ),
    diskBytes: Type.Optional(
      Type.Integer({
        minimum: limits.diskMinBytes,
        maximum: limits.diskMaxBytes,
        default: defaults.diskBytes,
        description: "writable layer, bytes",
      }),
    ),
    readOnly: Type.Optional(Type.Boolean({ default: false, description: "no writable layer" })),
    tmpfs: Type.Optional(Type.Array(TmpfsSchema, { maxItems: limits.tmpfs })),
    mounts: Type.Optional(Type.Array(MountSchema, { maxItems: limits.mounts, description: "those that the image asks for are added" })),
    network: Type.Optional(
      Type.Union([Type.Literal("none"), Type.Literal("user"), Type.Literal("bridge")], {
        description:
          "bridge when networks are named or egress needs it, user when ports are published, else none; bridge alone is the network default",
      }),
    ),
    networks: Type.Optional(
      Type.Array(AttachmentSchema, {
        maxItems: limits.machineNetworks,
        description: "networks that it is on; for them the daemon is root",
      }),
    ),
    egress: Type.Optional(EgressPolicySchema),
    ports: Type.Optional(Type.Array(PortSchema, { maxItems: limits.ports })),
    publishExposed: Type.Optional(
      Type.Boolean({ default: false, description: "publishes what the image exposes too, on free ports of 127.0.0.1" }),
    ),
    stopSignal: Type.Optional(text(16, "name or number; the image's, else SIGTERM")),
    stopTimeoutMs: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.stopTimeoutMaxMs, default: defaults.stopTimeoutMs })),
    restart: Type.Optional(RestartSchema),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: `^[^\\u0000]{1,${limits.labelKeyChars}}$` }), text(limits.labelValueChars, "label value"), {
        ...closed,
        maxProperties: limits.labels,
      }),
    ),
    autoRemove: Type.Optional(Type.Boolean({ default: false, description: "remove the machine when it has exited" })),
    tenant: Type.Optional(
      Type.String({
        pattern: namePattern,
        default: defaults.tenant,
        description: "whom it counts for: quotas and shares of starts are a tenant's",
      }),
    ),
    maxWaitMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: limits.ttlMaxMs,
        description: "how long its start may wait for room or licences; 0 refuses it at once; the host's setting when absent",
      }),
    ),
    ttlMs: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.ttlMaxMs, description: "stop the machine this long after its start" })),
    idleSuspendMs: Type.Optional(
      Type.Integer({
        minimum: limits.idleSuspendMinMs,
        maximum: limits.ttlMaxMs,
        description: "suspend the machine when nobody used it and it did next to nothing for so long",
      }),
    ),
    resumeOnContact: Type.Optional(
      Type.Boolean({ default: false, description: "while it is suspended, a connection to a published TCP port resumes it" }),
    ),
    licences: Type.Optional(
      Type.Array(ProductSchema, {
        maxItems: limits.licences,
        description: "products that it needs a licence for, beside those that its image and the label org.isthmus.licences name",
      }),
    ),
    secrets: Type.Optional(
      Type.Array(
        Type.Object(
          {
            secret: Type.String({ pattern: namePattern, description: "name of a secret of its tenant" }),
            path: Type.Optional(Type.String({ ...absolutePath, description: "/run/secrets/NAME when absent" })),
          },
          closed,
        ),
        { maxItems: limits.machineSecrets, description: "given as files that only the workload's user may read, in memory of the guest" },
      ),
    ),
    secretEnv: Type.Optional(
      Type.Record(Type.String({ pattern: "^[^=\\u0000]+$" }), Type.String({ pattern: namePattern }), {
        ...closed,
        maxProperties: limits.machineSecrets,
        description: "given as environment variables: names of secrets by names of variables",
      }),
    ),
    resources: Type.Optional(ResourcesSchema),
    healthcheck: Type.Optional(HealthcheckSchema),
    priority: Type.Optional(PrioritySchema),
    evictable: Type.Optional(
      Type.Boolean({ default: false, description: "may be stopped when the host has too little memory and nothing else helped" }),
    ),
    logMaxBytes: Type.Optional(
      Type.Integer({
        minimum: limits.logMinBytes,
        maximum: limits.logMaxBytes,
        default: defaults.logMaxBytes,
        description: "output kept; the oldest goes first",
      }),
    ),
  },
  { ...closed, $id: "MachineSpec" },
);

export const ExitSchema = Type.Object(
  {
    code: Type.Integer({ description: "as a shell reports it: 128 + n after signal n" }),
    signal: Type.Optional(Type.Integer()),
    reason: Type.Optional(Type.String({ description: "why there is no exit of the workload's own: killed, vmm-died, host-rebooted, ttl" })),
  },
  closed,
);

export const FailureSchema = Type.Object({ code: Type.String(), message: Type.String(), remedy: Type.String() }, closed);

export const MachineSchema = Type.Object(
  {
    id: Type.String({ description: "16 hex digits" }),
    name: Type.String(),
    state: Type.Unsafe<MachineState>(Type.Union(machineStates.map((state) => Type.Literal(state)))),
    spec: MachineSpecSchema,
    imageDigest: Type.String(),
    argv: Type.Array(Type.String(), { description: "the command in force: entrypoint and command" }),
    isolation: IsolationSchema,
    engine: Type.String(),
    accelerator: Type.Optional(AcceleratorSchema),
    startedFrom: Type.Optional(
      Type.Union(
        [
          Type.Literal("boot"),
          Type.Literal("template"),
          Type.Literal("zygote"),
          Type.Literal("pool"),
          Type.Literal("snapshot"),
          Type.Literal("suspension"),
        ],
        {
          description:
            "how its last start came about: booted, cloned from a template, forked from a process that has the template's state, a clone that was prepared ahead, cloned from a snapshot, or resumed after it was suspended",
        },
      ),
    ),
    clonedFrom: Type.Optional(Type.String({ description: "name of the snapshot or machine that it was cloned from" })),
    suspendedAt: Type.Optional(Type.String({ format: "date-time", description: "while it is suspended" })),
    pid: Type.Optional(Type.Integer({ description: "the engine process on the host" })),
    ports: Type.Array(PortSchema, { description: "as really published" }),
    createdAt: Type.String({ format: "date-time" }),
    startedAt: Type.Optional(Type.String({ format: "date-time" })),
    finishedAt: Type.Optional(Type.String({ format: "date-time" })),
    health: Type.Optional(HealthSchema),
    restarts: Type.Integer(),
    restartsAt: Type.Optional(Type.String({ format: "date-time", description: "while it has ended and waits to be started again" })),
    exit: Type.Optional(ExitSchema),
    failure: Type.Optional(FailureSchema),
    notes: Type.Array(Type.String(), { description: "what was done differently from what was asked, and why" }),
    timings: Type.Record(Type.String(), Type.Number(), { description: "ms of each step of the last start" }),
  },
  { ...closed, $id: "Machine" },
);

export const RunLineSchema = Type.Union([Type.Object({ machine: MachineSchema }), LogLineSchema], { $id: "RunLine" });

export const MachinePageSchema = Type.Object(
  { machines: Type.Array(MachineSchema), next: Type.Optional(Type.String({ description: "cursor of the next page" })) },
  closed,
);

export const MachineStatsSchema = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    time: Type.String({ format: "date-time" }),
    uptimeMs: Type.Number(),
    cpuMs: Type.Number({ description: "guest CPU time used since boot" }),
    hostCpuMs: Type.Number({ description: "CPU time of the engine process" }),
    hostRssBytes: Type.Number(),
    memory: Type.Object({ totalBytes: Type.Number(), freeBytes: Type.Number(), availableBytes: Type.Number(), cachedBytes: Type.Number() }),
    disk: Type.Object({ readBytes: Type.Number(), writtenBytes: Type.Number(), totalBytes: Type.Number(), freeBytes: Type.Number() }),
    net: Type.Object({ rxBytes: Type.Number(), txBytes: Type.Number() }),
    processes: Type.Number(),
  },
  { $id: "MachineStats" },
);

export const ExecSpecSchema = Type.Object(
  {
    command: Type.Array(word, { minItems: 1, maxItems: limits.commandWords }),
    env: Type.Optional(EnvSchema),
    workdir: Type.Optional(absolutePath),
    user: Type.Optional(Type.String({ maxLength: 255, pattern: "^[a-zA-Z0-9_.$-]*(:[a-zA-Z0-9_.$-]+)?$" })),
    tty: Type.Optional(Type.Boolean({ default: false })),
    stdin: Type.Optional(Type.Boolean({ default: false })),
    columns: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.terminalColumns })),
    rows: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.terminalColumns })),
  },
  { ...closed, $id: "ExecSpec" },
);

/** Class of a machine. */
export type Isolation = Static<typeof IsolationSchema>;
/** What runs the guest's instructions. */
export type Accelerator = Static<typeof AcceleratorSchema>;
/** A port of the guest on an address of the host. */
export type PublishedPort = Static<typeof PortSchema>;
/** What a machine finds at a path. */
export type Mount = Static<typeof MountSchema>;
/** What a user asks for. Absent fields take the image's config, then `defaults`. */
export type MachineSpec = Static<typeof MachineSpecSchema>;
/** How a machine ended. */
export type MachineExit = Static<typeof ExitSchema>;
/** Why a machine did not start or broke. */
export type MachineFailure = Static<typeof FailureSchema>;
/** A machine as it is now. */
export type Machine = Static<typeof MachineSchema>;
/** A line of a machine that is followed from its start: itself, then what it writes. */
export type RunLine = Static<typeof RunLineSchema>;
/** A page of a list of machines. */
export type MachinePage = Static<typeof MachinePageSchema>;
/** What a machine uses. */
export type MachineStats = Static<typeof MachineStatsSchema>;
/** What to run in a machine. */
export type ExecSpec = Static<typeof ExecSpecSchema>;
