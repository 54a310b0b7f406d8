import { GIB, MIB } from "./units.ts";

/** Limits that a request is measured against at the edge. Units are in the names. */
export const limits = {
  nameChars: 63,
  hostnameChars: 63,
  imageRefChars: 255,
  commandWords: 256,
  /** argv, env and cwd together must fit the guest protocol's 65,536-byte control frame. */
  processBytes: 48_000,
  envEntries: 512,
  pathChars: 4096,
  labels: 64,
  labelKeyChars: 128,
  labelValueChars: 1024,
  ports: 64,
  tmpfs: 16,
  /** volumes and host paths of one machine; a microVM has 24 places for devices, and some have other uses */
  mounts: 12,
  volumes: 10_000,
  cpus: 32,
  memoryMinBytes: 64 * MIB,
  memoryMaxBytes: 1024 * GIB,
  diskMinBytes: 16 * MIB,
  diskMaxBytes: 4096 * GIB,
  stopTimeoutMaxMs: 24 * 3_600_000,
  ttlMaxMs: 365 * 86_400_000,
  idleSuspendMinMs: 1_000,
  restartRetries: 1_000_000,
  clonesPerRequest: 500,
  licences: 16,
  licencePools: 1000,
  licenceImages: 64,
  productChars: 63,
  seats: 1_000_000,
  quotaCount: 1_000_000_000,
  quotaBytes: 2 ** 50,
  quotaWeightMin: 0.001,
  quotaWeightMax: 1_000_000,
  quotas: 10_000,
  logMinBytes: 1 * MIB,
  logMaxBytes: 64 * GIB,
  pageSize: 500,
  idempotencyKeyChars: 128,
  terminalColumns: 1000,
  jsonBodyBytes: 1 * MIB,
  /** cpuWeight and ioWeight */
  weight: 10_000,
  /** processors */
  cpuMaxLeast: 0.01,
  memoryMaxLeastBytes: 32 * MIB,
  /** QEMU starts this many threads at the least */
  pidsMaxLeast: 16,
  pidsMax: 4_194_304,
  ioBps: 1024 * GIB,
  ioIops: 1_000_000_000,
  burstMaxMs: 3_600_000,
} as const;

/** What a machine gets when its spec is silent. */
export const defaults = {
  isolation: "auto",
  tenant: "default",
  cpus: 1,
  memoryBytes: 128 * MIB,
  diskBytes: 1 * GIB,
  volumeBytes: 10 * GIB,
  stopTimeoutMs: 10_000,
  stopSignal: "SIGTERM",
  logMaxBytes: 256 * MIB,
  priority: "normal",
  pageSize: 100,
} as const;
