import { IsthmusError, limits, type Quota, type QuotaSpec } from "@isthmus/contract";
import type { QuotaTables, StoredQuota } from "./ports.ts";
import { checkTenant } from "./tenant.ts";

/** What tenants may have. A tenant without a quota has as much as the host gives, with weight 1. */
export interface QuotaActions {
  /** Takes the place of an earlier one, whole. Throws INVALID_NAME, TOO_LARGE. */
  set(tenant: string, spec: QuotaSpec): Quota;
  /** Those of all tenants that have one, machines, or volumes. */
  list(): readonly Quota[];
  /** What holds for a tenant, also for one that nobody gave a quota. Throws INVALID_NAME. */
  get(tenant: string): Quota;
  /** Throws QUOTA_NOT_FOUND. */
  remove(tenant: string): Quota;
}

/** What tenants have now. */
export type TenantUse = (tenant: string) => Quota["used"];

export interface QuotaParts {
  readonly store: QuotaTables;
  readonly now: () => number;
  readonly used: () => TenantUse;
  /** that have machines, starts that wait, or volumes */
  readonly tenants: () => Iterable<string>;
  /** what fits may have changed */
  readonly changed: () => void;
}

/** weight of a tenant that nobody gave one */
export const WEIGHT_DEFAULT = 1;

export function createQuotaActions({ store, now, used, tenants, changed }: QuotaParts): QuotaActions {
  const shown = (tenant: string, quota: StoredQuota | undefined, use = used()): Quota => ({
    ...(quota ?? { tenant, weight: WEIGHT_DEFAULT }),
    used: use(tenant),
  });
  return {
    set(tenant, spec) {
      checkTenant(tenant);
      const count = store.quotas().length;
      if (count >= limits.quotas && store.quota(tenant) === undefined)
        throw new IsthmusError("TOO_LARGE", { field: "the number of quotas", value: count + 1, limit: limits.quotas });
      const quota = { ...spec, tenant, weight: spec.weight ?? WEIGHT_DEFAULT, updatedAt: new Date(now()).toISOString() };
      store.putQuota(quota, [{ type: "quota.set", details: { ...quota } }]);
      changed();
      return shown(tenant, quota);
    },
    list() {
      const stored = new Map(store.quotas().map((quota) => [quota.tenant, quota]));
      const names = new Set([...stored.keys(), ...tenants()]);
      const use = used();
      return [...names].sort().map((tenant) => shown(tenant, stored.get(tenant), use));
    },
    get(tenant) {
      checkTenant(tenant);
      return shown(tenant, store.quota(tenant));
    },
    remove(tenant) {
      const quota = store.quota(tenant);
      if (quota === undefined) throw new IsthmusError("QUOTA_NOT_FOUND", { tenant });
      store.deleteQuota(tenant, [{ type: "quota.removed", details: { tenant } }]);
      changed();
      return shown(tenant, quota);
    },
  };
}
