import { IsthmusError, type Quota, type QuotaSpec } from "@isthmus/contract";
import type { QuotaActions } from "@isthmus/core";

const used = { machines: 0, vcpus: 0, memoryBytes: 0, diskBytes: 0, ports: 0, queued: 0 };

/** Quotas in memory. */
export class FakeQuotas implements QuotaActions {
  readonly entries = new Map<string, Quota>();

  set(tenant: string, spec: QuotaSpec): Quota {
    const quota = { weight: 1, ...spec, tenant, updatedAt: new Date().toISOString(), used };
    this.entries.set(tenant, quota);
    return quota;
  }

  list(): readonly Quota[] {
    return [...this.entries.values()];
  }

  get(tenant: string): Quota {
    return this.entries.get(tenant) ?? { tenant, weight: 1, used };
  }

  remove(tenant: string): Quota {
    const quota = this.entries.get(tenant);
    if (quota === undefined) throw new IsthmusError("QUOTA_NOT_FOUND", { tenant });
    this.entries.delete(tenant);
    return quota;
  }
}
