import type { LicencePool } from "@isthmus/contract";
import type { NewEvent, StoredEvent } from "../machine/stored-events.ts";
import type { LeaseHolder } from "./lease.ts";

/** What the store keeps of licences. */
export interface LicenceTables {
  /** The machines with a lease: what is leased is computed from them. */
  leases(): readonly LeaseHolder[];
  /** by name */
  licencePools(): readonly LicencePool[];
  /** Adds it, or puts it in the place of the one of its name. */
  putLicencePool(pool: LicencePool, events: readonly NewEvent[]): void;
  /** A no-op when there is none. */
  deleteLicencePool(name: string, events: readonly NewEvent[]): void;
  /** Those of type `licence.…`, which are kept far longer than others, oldest first: the first of those after `afterSeq`, or the last. */
  licenceEvents(query: { readonly afterSeq?: number; readonly newest?: boolean; readonly limit: number }): readonly StoredEvent[];
}
