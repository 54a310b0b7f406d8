import {
  defaults,
  type Image,
  type Isolation,
  IsthmusError,
  limits,
  type MachineSpec,
  parseSignal,
  plainEgress,
  signalName,
} from "@isthmus/contract";
import { resolveHealthcheck } from "../../health/resolve.ts";
import { resolveLicences } from "../../licence/needs.ts";
import { checkTenant } from "../../quota/tenant.ts";
import { bindsOf, resolveMounts } from "../../volume/mounts.ts";
import { MEMORY_GRAIN_BYTES, SIGTERM } from "../config.ts";
import type { Workload } from "../ports.ts";
import { exposedPorts } from "./exposed.ts";
import { resolveLabels } from "./labels.ts";
import { checkName, shown } from "./names.ts";
import { resolvePublishing } from "./publishing.ts";
import { resolveResources } from "./resources.ts";
import { resolveTmpfs } from "./storage.ts";
import { resolveWorkload } from "./workload.ts";

export interface ResolveContext {
  readonly id: string;
  /** made up when the spec gives none */
  readonly name: string;
  /** isolation classes that have an engine here, the preferred one first */
  readonly isolations: readonly Isolation[];
  readonly hostCpus: number;
}

/** A spec with every default decided, and what follows from it and its image. */
export interface ResolvedSpec {
  readonly spec: MachineSpec;
  readonly isolation: Isolation;
  readonly workload: Workload;
  readonly stopSignal: number;
  readonly notes: readonly string[];
}

/** characters of the id that make the default hostname */
const HOSTNAME_FROM_ID_CHARS = 12;

/** Of a machine whose spec names none. */
export function defaultHostname(id: string): string {
  return id.slice(0, HOSTNAME_FROM_ID_CHARS);
}

/**
 * Throws INVALID_NAME, INVALID_REQUEST (naming field, value and limit), ISOLATION_UNAVAILABLE, IMAGE_NO_COMMAND, TOO_LARGE. Pure.
 */
export function resolveSpec(spec: MachineSpec, image: Image, context: ResolveContext): ResolvedSpec {
  checkName(context.name);
  checkLifecycle(spec);
  if (spec.tenant !== undefined) checkTenant(spec.tenant);
  const isolation = resolveIsolation(spec.isolation ?? defaults.isolation, context.isolations);
  const cpus = whole(spec.cpus ?? defaults.cpus, "cpus", 1, limits.cpus);
  const memoryBytes = resolveMemory(spec.memoryBytes ?? defaults.memoryBytes);
  const licences = resolveLicences(spec, image);
  const tmpfs = resolveTmpfs(spec, memoryBytes);
  const mounts = resolveMounts(spec, image, tmpfs);
  const notes: string[] = [];
  const { network, ports } = resolvePublishing(withExposed(spec, image, notes));
  if (spec.idleSuspendMs !== undefined && bindsOf({ ...spec, mounts: [...mounts] }).length > 0) {
    const reason = "a machine with paths of the host cannot be suspended";
    throw new IsthmusError("INVALID_REQUEST", { field: "idleSuspendMs", reason, value: spec.idleSuspendMs });
  }
  if (cpus > context.hostCpus) notes.push(`cpus is ${cpus}, but the host has ${context.hostCpus}: they share them`);
  const stopSignal = resolveStopSignal(spec, image, notes);
  const filled: MachineSpec = {
    ...spec,
    name: context.name,
    isolation: spec.isolation ?? defaults.isolation,
    tenant: spec.tenant ?? defaults.tenant,
    priority: spec.priority ?? defaults.priority,
    hostname: spec.hostname ?? defaultHostname(context.id),
    cpus,
    memoryBytes,
    diskBytes: whole(spec.diskBytes ?? defaults.diskBytes, "diskBytes", limits.diskMinBytes, limits.diskMaxBytes),
    readOnly: spec.readOnly ?? false,
    tmpfs,
    ...(mounts.length === 0 ? {} : { mounts: [...mounts] }),
    network,
    ...(spec.egress === undefined ? {} : { egress: plainEgress(spec.egress) }),
    ports: [...ports],
    stopSignal: signalName(stopSignal),
    stopTimeoutMs: whole(spec.stopTimeoutMs ?? defaults.stopTimeoutMs, "stopTimeoutMs", 0, limits.stopTimeoutMaxMs),
    restart: spec.restart ?? { policy: "no" },
    ...resolveResources(spec, memoryBytes, notes),
    ...resolveLabels(spec, image, notes),
    healthcheck: resolveHealthcheck(spec.healthcheck, image),
    autoRemove: spec.autoRemove ?? false,
    ...(licences.length === 0 ? {} : { licences }),
    logMaxBytes: whole(spec.logMaxBytes ?? defaults.logMaxBytes, "logMaxBytes", limits.logMinBytes, limits.logMaxBytes),
  };
  return { spec: filled, isolation, workload: resolveWorkload(spec, image), stopSignal, notes };
}

/** With the ports that the image exposes, when they are asked for; from here on they are as those that were named. */
function withExposed(spec: MachineSpec, image: Image, notes: string[]): MachineSpec {
  if (spec.publishExposed !== true) return spec;
  const named = spec.ports ?? [];
  return { ...spec, ports: [...named, ...exposedPorts(image.config.exposedPorts, named, notes)] };
}

/** The number of a signal that a request names. Throws INVALID_REQUEST. */
export function requireSignal(value: string, field: string): number {
  const number = parseSignal(value);
  if (number === undefined) {
    throw new IsthmusError("INVALID_REQUEST", {
      field,
      reason: "it is no signal; give a name such as SIGTERM or 1 to 64",
      value: shown(value),
    });
  }
  return number;
}

function resolveStopSignal(spec: MachineSpec, image: Image, notes: string[]): number {
  if (spec.stopSignal !== undefined) return requireSignal(spec.stopSignal, "stopSignal");
  const ofImage = image.config.stopSignal;
  if (ofImage === undefined || ofImage === "") return SIGTERM;
  const number = parseSignal(ofImage);
  if (number === undefined) notes.push(`the image's stop signal ${shown(ofImage)} is none: SIGTERM is used`);
  return number ?? SIGTERM;
}

function resolveIsolation(asked: "auto" | Isolation, available: readonly Isolation[]): Isolation {
  const isolation = asked === "auto" ? available[0] : available.find((one) => one === asked);
  if (isolation === undefined) throw new IsthmusError("ISOLATION_UNAVAILABLE", { isolation: asked });
  return isolation;
}

function resolveMemory(bytes: number): number {
  whole(bytes, "memoryBytes", limits.memoryMinBytes, limits.memoryMaxBytes);
  return Math.ceil(bytes / MEMORY_GRAIN_BYTES) * MEMORY_GRAIN_BYTES;
}

function checkLifecycle(spec: MachineSpec): void {
  const restart = spec.restart ?? { policy: "no" };
  if (restart.maxRetries !== undefined && restart.policy !== "on-failure") {
    const reason = "it goes with policy on-failure only";
    throw new IsthmusError("INVALID_REQUEST", { field: "restart.maxRetries", reason, value: restart.maxRetries });
  }
  if (spec.autoRemove === true && restart.policy !== "no") {
    const reason = `it contradicts restart policy ${restart.policy}`;
    throw new IsthmusError("INVALID_REQUEST", { field: "autoRemove", reason, value: true });
  }
  if (spec.ttlMs !== undefined) whole(spec.ttlMs, "ttlMs", 1, limits.ttlMaxMs);
  if (spec.maxWaitMs !== undefined) whole(spec.maxWaitMs, "maxWaitMs", 0, limits.ttlMaxMs);
}

function whole(value: number, field: string, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new IsthmusError("INVALID_REQUEST", { field, reason: `it must be a whole number from ${least} to ${most}`, value });
}
