export { type Block, blockHolds, blockText, familyOf, plainAddress, plainBlock } from "./address.ts";
export type { AdmissionShortage, HostStatus, LimitUse, QueuePosition, Quota, QuotaSpec, Why } from "./admission.ts";
export type { DoctorReport, Event, Finding, LogLine, Version } from "./daemon.ts";
export type { EgressPolicy, EgressProtocol, EgressRule } from "./egress.ts";
export { egressWords, type PortRange, parseEgress, plainEgress, plainHost } from "./egress-rules.ts";
export { type ErrorCode, errorRegistry } from "./error-registry.ts";
export { type ErrorBody, type ErrorDetails, hasCode, IsthmusError, isErrorCode } from "./errors.ts";
export type { EgressDenial, GatewayMachine, GatewayReply, GatewayRequest, GatewayState } from "./gateway.ts";
export { type Health, type Healthcheck, type HealthStatus, healthStatuses } from "./health.ts";
export type { Image, ImageConfig, ImageHistory, Kernel, Progress, PullPolicy, RegistryAuth } from "./image.ts";
export { DEFAULT_REGISTRY, registryOf } from "./image-ref.ts";
export type { FileChange, MachineProcess } from "./inside.ts";
export type {
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
  SeatHolder,
} from "./licence.ts";
export { defaults, limits } from "./limits.ts";
export type {
  Accelerator,
  ExecSpec,
  Isolation,
  Machine,
  MachineExit,
  MachineFailure,
  MachinePage,
  MachineSpec,
  MachineStats,
  Mount,
  PublishedPort,
  RunLine,
} from "./machine.ts";
export type { Attachment, Network, NetworkConnect, NetworkMember, NetworkSpec } from "./network.ts";
export type { HostFacts, HostPressure, MachineUse, Measure, PressureSample } from "./pressure.ts";
export { type NetworkRates, networkRates, type Priority, type Resources } from "./resources.ts";
export type { Secret, SecretSpec } from "./secret.ts";
export { parseSignal, signalName, signalNumbers } from "./signals.ts";
export type { CloneSpec, Snapshot } from "./snapshot.ts";
export {
  can,
  canBecome,
  hasEnded,
  isSettled,
  type MachineAction,
  type MachineState,
  machineActions,
  machineStates,
  transitions,
} from "./states.ts";
export type { StorageUse } from "./storage.ts";
export { API_PREFIX, type Channel, channels, LOG_PLACE_CHANNEL, STREAM_MESSAGE_BYTES } from "./stream.ts";
export type { Template } from "./template.ts";
export { type NewToken, type Role, roles, type Token, type TokenSpec } from "./token.ts";
export { formatBytes, formatDuration, GIB, KIB, MIB, parseBytes, parseDuration } from "./units.ts";
export type { MachineUpdate, ResourcesUpdate } from "./update.ts";
export type { Volume, VolumeSpec, VolumeUse } from "./volume.ts";
