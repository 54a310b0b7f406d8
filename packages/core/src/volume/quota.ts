import { refusalOf } from "../admission/refusal.ts";
import type { Shortage } from "../admission/request.ts";
import type { Context } from "../machine/context.ts";
import type { TenantUse } from "../quota/actions.ts";
import type { VolumeFolders } from "./ports.ts";
import { Volumes } from "./volumes.ts";

/** Volumes that count against the disk of their tenants' quotas. `context` is there once any is made. */
export function countedVolumes(folders: VolumeFolders, context: () => Context): Volumes {
  return new Volumes(folders, {
    now: () => context().clock.now(),
    checkRoom: (tenant, sizeBytes) => checkQuota(context(), tenant, sizeBytes),
    freed: () => context().admitting.changed(),
  });
}

/** What tenants have, with what their volumes may come to hold. */
export function usedBy({ leases, admitting, volumes }: Context): TenantUse {
  const use = leases.use(admitting.held());
  return (tenant) => {
    const used = use(tenant);
    return { ...used, diskBytes: used.diskBytes + (volumes?.promisedBytes(tenant) ?? 0) };
  };
}

/** Whether a tenant may have a volume of this size more. It waits for nothing. Throws QUOTA_REACHED, NEVER_FITS. */
function checkQuota(context: Context, tenant: string, sizeBytes: number): void {
  const max = context.store.quota(tenant)?.diskBytes;
  if (max === undefined) return;
  const used = usedBy(context)(tenant).diskBytes;
  if (used + sizeBytes <= max) return;
  const shortage: Shortage = {
    limit: "disk-per-tenant",
    scope: tenant,
    needed: sizeBytes,
    used,
    max,
    unit: "bytes",
    kind: "quota",
    permanent: sizeBytes > max,
  };
  throw refusalOf(shortage);
}
