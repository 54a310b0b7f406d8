import { DESCRIPTORS_PER_MACHINE, DESCRIPTORS_RESERVE, PROCESSES_PER_MACHINE, PROCESSES_RESERVE } from "./config.ts";
import type { Ledger, Needs } from "./ledger.ts";
import type { Limits } from "./limits.ts";
import type { AdmissionRequest, HostFacts, Quota, Shortage, Unit } from "./request.ts";

/** What a request is measured against. */
export interface View {
  readonly ledger: Ledger;
  readonly limits: Limits;
  readonly facts: HostFacts;
  /** starts in flight: their processes may not have been started yet */
  readonly inFlight: number;
}

/** What is set aside for a request that waits for a hold. `tenantOnly`: it is short of its tenant's quota, other tenants are not concerned. */
export interface Aside {
  readonly request: AdmissionRequest;
  readonly needs: Needs;
  readonly expectedBytes: number;
  readonly tenantOnly: boolean;
}

/** One limit, with what is used of it and what the request needs. */
interface Rule extends Omit<Shortage, "kind" | "permanent"> {
  readonly kind: "capacity" | "quota";
  /** what it is measured against comes and goes with other things than machines, so nothing is too much for ever */
  readonly passing?: true;
}

/**
 * The first limit that the request does not fit under beside all that is held and set aside, or undefined. Quotas come first, since other tenants
 * cannot mend them.
 */
export function shortageOf(request: AdmissionRequest, view: View, quota: Quota, aside?: Aside): Shortage | undefined {
  const needs = view.ledger.needs(request);
  const kept = aside === undefined || aside.request.id === request.id ? undefined : aside;
  let first: Shortage | undefined;
  for (const rule of [...quotaRules(request, needs, view, quota, kept), ...capacityRules(request, needs, view, kept)]) {
    if (rule.used + rule.needed <= rule.max || rule.needed === 0) continue;
    const { passing, ...shortage } = rule;
    const found: Shortage = { ...shortage, permanent: passing === undefined && rule.needed > rule.max };
    // What is too much for ever is told before what will pass.
    if (found.permanent) return found;
    first ??= found;
  }
  return first;
}

function quotaRules(request: AdmissionRequest, needs: Needs, { ledger, limits }: View, quota: Quota, kept?: Aside): Rule[] {
  const held = ledger.tenant(request.tenant);
  const own = kept?.request.tenant === request.tenant ? kept.needs : undefined;
  const rule = (limit: string, of: keyof Needs, unit: Unit, max = Number.POSITIVE_INFINITY, more = 0): Rule => ({
    limit,
    scope: request.tenant,
    needed: needs[of],
    used: held[of] + (own?.[of] ?? 0) + more,
    max,
    unit,
    kind: "quota",
  });
  // As many as the host may have is no quota.
  const perTenant = limits.machinesPerTenant < limits.machines ? limits.machinesPerTenant : Number.POSITIVE_INFINITY;
  return [
    rule("machines-per-tenant", "machines", "machines", Math.min(quota.machines ?? Number.POSITIVE_INFINITY, perTenant)),
    rule("vcpus-per-tenant", "vcpus", "vcpus", quota.vcpus),
    rule("memory-per-tenant", "memoryBytes", "bytes", quota.memoryBytes),
    rule("disk-per-tenant", "diskBytes", "bytes", quota.diskBytes, quota.volumeBytes),
    rule("ports-per-tenant", "ports", "ports", quota.ports),
  ];
}

function capacityRules(request: AdmissionRequest, needs: Needs, view: View, kept?: Aside): Rule[] {
  const { ledger, limits } = view;
  const other = kept && !kept.tenantOnly ? kept : undefined;
  const rule = (limit: string, of: keyof Needs, unit: Unit, max: number): Rule => ({
    limit,
    needed: needs[of],
    used: ledger.all[of] + (other?.needs[of] ?? 0),
    max,
    unit,
    kind: "capacity",
  });
  const counted = (limit: string, scope: string, used: number, same: boolean, max: number): Rule => {
    return { limit, scope, needed: 1, used: used + (same ? 1 : 0), max, unit: "machines", kind: "capacity" };
  };
  const { isolation, imageDigest } = request;
  return [
    rule("machines", "machines", "machines", limits.machines),
    counted(
      "machines-per-isolation",
      isolation,
      ledger.isolation(isolation),
      other?.request.isolation === isolation,
      limits.machinesPerIsolation[isolation],
    ),
    counted(
      "machines-per-image",
      imageDigest,
      ledger.image(imageDigest),
      other?.request.imageDigest === imageDigest,
      limits.machinesPerImage,
    ),
    rule("vcpus", "vcpus", "vcpus", limits.vcpus),
    rule("memory", "memoryBytes", "bytes", limits.memoryBytes),
    // It follows what is free, so a full disk is no reason to say never.
    { ...rule("disk", "diskBytes", "bytes", limits.diskBytes), passing: true },
    rule("ports", "ports", "ports", limits.ports),
    ...presentRules(request, view, other),
  ];
}

/** What must be there at this moment, whatever was promised. */
function presentRules(request: AdmissionRequest, { ledger, limits, facts, inFlight }: View, other?: Aside): Rule[] {
  const rules: Rule[] = [];
  const left = (limit: string, unit: Unit, needed: number, used: number, max: number) =>
    rules.push({ limit, needed, used, max: Math.max(0, max), unit, kind: "capacity", passing: true });
  if (limits.memoryOvercommit > 1) {
    const taken = ledger.unmeasuredBytes + (other?.expectedBytes ?? 0);
    left("memory-available", "bytes", ledger.expectedBytes(request), taken, facts.memoryAvailableBytes - limits.memoryReserveBytes);
  }
  if (facts.processesLeft !== undefined) {
    const pending = inFlight * PROCESSES_PER_MACHINE;
    left("processes", "processes", PROCESSES_PER_MACHINE + request.cpus, pending, facts.processesLeft - PROCESSES_RESERVE);
  }
  if (facts.descriptorsLeft !== undefined) {
    const pending = inFlight * DESCRIPTORS_PER_MACHINE;
    left("descriptors", "descriptors", DESCRIPTORS_PER_MACHINE, pending, facts.descriptorsLeft - DESCRIPTORS_RESERVE);
  }
  return rules;
}
