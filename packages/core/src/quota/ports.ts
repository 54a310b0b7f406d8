import type { QuotaSpec } from "@isthmus/contract";
import type { NewEvent } from "../machine/stored-events.ts";

/** What a tenant was given, as it is kept. */
export interface StoredQuota extends Omit<QuotaSpec, "weight"> {
  readonly tenant: string;
  readonly weight: number;
  readonly updatedAt: string;
}

/** What the store keeps of quotas. */
export interface QuotaTables {
  /** by tenant */
  quotas(): readonly StoredQuota[];
  quota(tenant: string): StoredQuota | undefined;
  /** Adds it, or puts it in the place of the tenant's. */
  putQuota(quota: StoredQuota, events: readonly NewEvent[]): void;
  /** A no-op when there is none. */
  deleteQuota(tenant: string, events: readonly NewEvent[]): void;
}
