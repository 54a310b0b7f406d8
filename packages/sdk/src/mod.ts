export type {
  Accelerator,
  AdmissionShortage,
  Attachment,
  CloneSpec,
  DoctorReport,
  Event,
  ExecSpec,
  Finding,
  Health,
  Healthcheck,
  HealthStatus,
  HostFacts,
  HostPressure,
  HostStatus,
  Image,
  ImageConfig,
  ImageHistory,
  Isolation,
  Kernel,
  LicenceAudit,
  LicenceDay,
  LicenceForecast,
  LicenceMetric,
  LicencePool,
  LicencePoolSpec,
  LicencePoolStatus,
  LicenceProductReport,
  LicenceReport,
  LicenceUse,
  LimitUse,
  LogLine,
  Machine,
  MachineExit,
  MachineFailure,
  MachinePage,
  MachineProcess,
  MachineSpec,
  MachineState,
  MachineStats,
  MachineUpdate,
  MachineUse,
  Measure,
  Mount,
  Network,
  NetworkConnect,
  NetworkMember,
  NetworkSpec,
  NewToken,
  PressureSample,
  Priority,
  Progress,
  PublishedPort,
  PullPolicy,
  QueuePosition,
  Quota,
  QuotaSpec,
  RegistryAuth,
  Resources,
  ResourcesUpdate,
  Role,
  SeatHolder,
  Secret,
  Snapshot,
  StorageUse,
  Template,
  Token,
  TokenSpec,
  Version,
  Volume,
  VolumeSpec,
  VolumeUse,
  Why,
} from "@isthmus/contract";
export { type ErrorBody, type ErrorCode, hasCode, IsthmusError } from "@isthmus/contract";
export { defaultSocketPath, type IsthmusOptions } from "./address.ts";
export { type DockerAuthOptions, dockerAuth } from "./docker-auth.ts";
export { FollowedMachine } from "./followed.ts";
export { Host } from "./host.ts";
export { Images } from "./images.ts";
export { Isthmus } from "./isthmus.ts";
export { Kernels } from "./kernels.ts";
export { Licences } from "./licences.ts";
export { MachineHandle, RunningMachine } from "./machine.ts";
export { Machines } from "./machines.ts";
export { Networks } from "./networks.ts";
export type {
  AttachOptions,
  CallOptions,
  CloneOptions,
  CreateOptions,
  EventOptions,
  ExecOptions,
  ExecResult,
  ImagePruning,
  ImageRemoval,
  ImportOptions,
  KillOptions,
  LastingOptions,
  LicenceReportOptions,
  ListOptions,
  LoadOptions,
  LogOptions,
  PageOptions,
  PathStat,
  ProcessExit,
  ProgressOptions,
  RegistryCallOptions,
  RemoveOptions,
  RunOptions,
  Session,
  SnapshotOptions,
  StopOptions,
} from "./options.ts";
export { Quotas } from "./quotas.ts";
export type { RawChunk } from "./raw-logs.ts";
export { backOff, type LostDaemon, type Reconnect } from "./reconnect.ts";
export { type SecretOptions, Secrets } from "./secrets.ts";
export { Snapshots } from "./snapshots.ts";
export { Templates } from "./templates.ts";
export { Tokens } from "./tokens.ts";
export { Volumes } from "./volumes.ts";
