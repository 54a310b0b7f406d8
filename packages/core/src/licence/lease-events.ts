import type { MachineSpec } from "@isthmus/contract";
import type { MachineRecord, NewEvent } from "../machine/ports.ts";
import { TENANT_DEFAULT, USER_LABEL } from "./config.ts";
import { type Seat, seatChanges, seatsOf, usedSeats } from "./lease.ts";
import type { LicenceTables } from "./ports.ts";

/**
 * The events of what a commit takes and returns, to be committed with it. Each tells how many seats of its pool are in use once it has happened, computed
 * from the machines: an audit compares that with what the events before it add up to.
 */
export function leaseEvents(
  store: Pick<LicenceTables, "leases" | "licencePools">,
  before: MachineRecord | undefined,
  after: MachineRecord,
): NewEvent[] {
  const { returned, taken } = seatChanges(before?.boot.lease, after.boot.lease);
  if (returned.length + taken.length === 0) return [];
  const { id, name, spec } = after.machine;
  const others = seatsOf(store.leases().filter((holder) => holder.id !== id));
  const pools = new Map(store.licencePools().map((pool) => [pool.name, pool]));
  const own = [...(before?.boot.lease?.seats ?? [])];
  const event = (type: string, seat: Seat): NewEvent => ({
    type,
    machineId: id,
    machineName: name,
    details: {
      ...described(seat),
      tenant: tenantOf(spec),
      user: seat.metric === "per-named-user" ? userOf(spec) : undefined,
      image: spec.image,
      used: usedSeats(seat.pool, [...others, ...own]),
      total: pools.get(seat.pool)?.seats ?? 0,
    },
  });
  const events: NewEvent[] = [];
  for (const seat of returned) {
    own.splice(own.indexOf(seat), 1);
    events.push(event("licence.returned", seat));
  }
  for (const seat of taken) {
    own.push(seat);
    events.push(event("licence.taken", seat));
  }
  return events;
}

function described({ pool, product, metric, seats, share, sinceMs, overSinceMs }: Seat) {
  return { pool, product, metric, seats, share, sinceMs, over: overSinceMs === undefined ? undefined : true };
}

/** Whom a machine is of. */
export function tenantOf(spec: { readonly tenant?: string }): string {
  return spec.tenant ?? TENANT_DEFAULT;
}

/** Who uses a machine, for seats per named user. */
export function userOf(spec: MachineSpec): string {
  return spec.labels?.[USER_LABEL] ?? tenantOf(spec);
}
