export { type Caller, checkPermission, hostOwner, type Permission } from "./access/caller.ts";
export { machinesOf } from "./access/scoped.ts";
export { Admission } from "./admission/admission.ts";
export { Heap } from "./admission/heap.ts";
export type { LimitSettings } from "./admission/limits.ts";
export { amount, refusalOf } from "./admission/refusal.ts";
export type {
  AdmissionPort,
  AdmissionRequest,
  Grant,
  Held,
  HostFacts as AdmissionFacts,
  QueuePlace,
  Quota,
  Shortage,
} from "./admission/request.ts";
export type { AdmissionStatus } from "./admission/status.ts";
export type { ContentionActions } from "./contention/actions.ts";
export type * from "./contention/ports.ts";
export { ContentionWatcher } from "./contention/watcher.ts";
export type * from "./host/ports.ts";
export { storageUse } from "./host/storage.ts";
export type * from "./image/ports.ts";
export type { LicenceActions, ReportOptions } from "./licence/actions.ts";
export type * from "./licence/lease.ts";
export { leaseEvents } from "./licence/lease-events.ts";
export { Licences, type LicencesParts } from "./licence/licences.ts";
export type * from "./licence/ports.ts";
export type { LicenceShortage } from "./licence/shortage.ts";
export type * from "./machine/actions.ts";
export type { AdmissionSettings } from "./machine/admitting/admitting.ts";
export { type CrashPoint, type Crashpoint, crashPoints } from "./machine/crash-points.ts";
export { createMachines } from "./machine/machines.ts";
export type { MachinesParts } from "./machine/machines-parts.ts";
export type * from "./machine/ports.ts";
export { defaultHostname } from "./machine/spec/resolve-spec.ts";
export type { NetworkActions } from "./network/actions.ts";
export { macAddressOf } from "./network/mac.ts";
export type * from "./network/ports.ts";
export type { QuotaActions } from "./quota/actions.ts";
export type * from "./quota/ports.ts";
export type * from "./secret/ports.ts";
export type { SecretActions } from "./secret/secrets.ts";
export type { SnapshotActions } from "./snapshot/actions.ts";
export type * from "./snapshot/ports.ts";
export type * from "./snapshot/saved.ts";
export type { TemplateActions } from "./template/actions.ts";
export { type PoolSettings, poolDefaults } from "./template/config.ts";
export type * from "./template/ports.ts";
export type * from "./template/shape.ts";
export { type TemplateAnswer, Templates, type TemplatesParts } from "./template/templates.ts";
export type * from "./token/ports.ts";
export { type TokenActions, Tokens } from "./token/tokens.ts";
export type { VolumeActions, VolumeScope } from "./volume/actions.ts";
export type * from "./volume/ports.ts";
