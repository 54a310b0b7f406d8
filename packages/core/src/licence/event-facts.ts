import type { StoredEvent } from "../machine/stored-events.ts";
import type { CountedSeat } from "./seat-count.ts";

/** What an event of licences says, read from its details with care: the log may be older than this program. */
export type LicenceFact =
  | {
      readonly kind: "pool";
      readonly atMs: number;
      readonly seq: number;
      readonly pool: string;
      readonly product: string;
      readonly seats: number | undefined;
    }
  | { readonly kind: "taken" | "returned"; readonly atMs: number; readonly seq: number; readonly seat: SeatFact };

export interface SeatFact extends CountedSeat {
  readonly product: string;
  readonly machineId: string;
  readonly machineName: string;
  readonly tenant: string;
  readonly user?: string;
  readonly image: string;
  readonly sinceMs: number;
  /** in the pool once it had happened, as the machines had it */
  readonly used: number;
  readonly total: number;
  readonly over: boolean;
}

/** Undefined for events that change nothing about seats. */
export function licenceFact(event: StoredEvent): LicenceFact | undefined {
  const { type, seq, details } = event;
  const atMs = Date.parse(event.time);
  const pool = word(details.pool);
  const product = word(details.product);
  if (type === "licence.pool-added" || type === "licence.pool-changed") {
    return { kind: "pool", atMs, seq, pool, product, seats: count(details.seats) };
  }
  if (type === "licence.pool-removed") return { kind: "pool", atMs, seq, pool, product, seats: undefined };
  if (type !== "licence.taken" && type !== "licence.returned") return undefined;
  const seat: SeatFact = {
    pool,
    product,
    seats: count(details.seats),
    share: typeof details.share === "string" ? details.share : undefined,
    machineId: event.machineId ?? "",
    machineName: event.machineName ?? "",
    tenant: word(details.tenant),
    user: typeof details.user === "string" ? details.user : undefined,
    image: word(details.image),
    sinceMs: count(details.sinceMs),
    used: count(details.used),
    total: count(details.total),
    over: details.over === true,
  };
  return { kind: type === "licence.taken" ? "taken" : "returned", atMs, seq, seat };
}

/** What a machine holds of a pool: a machine holds seats of a pool once. */
export const holdingKey = (machineId: string, pool: string): string => `${machineId}\u0000${pool}`;

function word(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
