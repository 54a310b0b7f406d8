import type { LicencePool } from "@isthmus/contract";
import type { Lease, LeaseHolder, Seat } from "./lease.ts";

export const NOW = Date.parse("2026-06-15T12:00:00Z");

export function pool(over: Partial<LicencePool> = {}): LicencePool {
  return {
    name: "pool",
    product: "product",
    metric: "per-machine",
    seats: 20,
    limit: "hard",
    onShortage: "queue",
    onSuspend: "return",
    images: [],
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    ...over,
  };
}

export function holder(id: string, seats: readonly Seat[], over: Partial<Lease> & { readonly ttlMs?: number } = {}): LeaseHolder {
  const { ttlMs, grantedMs = NOW } = over;
  return { id, name: `m-${id}`, state: "running", lease: { grantedMs, seats }, ttlMs };
}
