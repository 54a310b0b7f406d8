import { QUEUE_TENANT_FACTOR } from "./config.ts";
import type { Limits } from "./limits.ts";
import type { AdmissionRequest, Quota, Shortage } from "./request.ts";

/** What of a queue decides whether one more may wait. */
export interface Waiting {
  readonly size: number;
  waitingOf(tenant: string): number;
}

/** Why one more request of this tenant may not wait; undefined when it may. A tenant can fill most of what is free, never all of it. */
export function queueShortage({ tenant }: AdmissionRequest, queue: Waiting, limits: Limits, quota: Quota): Shortage | undefined {
  const own = queue.waitingOf(tenant);
  const fair = Math.max(1, QUEUE_TENANT_FACTOR * (limits.queueLength - queue.size));
  const full = { needed: 1, unit: "requests", kind: "queue", permanent: false } as const;
  if (queue.size >= limits.queueLength) return { ...full, limit: "queue-length", used: queue.size, max: limits.queueLength };
  if (own >= Math.min(fair, quota.queued ?? fair))
    return { ...full, limit: "queue-per-tenant", scope: tenant, used: own, max: Math.min(fair, quota.queued ?? fair) };
  return undefined;
}
