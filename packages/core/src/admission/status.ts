import type { Isolation } from "@isthmus/contract";
import type { Totals } from "./ledger.ts";
import type { LimiterStatus } from "./limiter.ts";
import type { Limits } from "./limits.ts";

/** Admission at one moment. Memory and disk in bytes. */
export interface AdmissionStatus {
  readonly limits: Limits;
  /** by machines with a lease */
  readonly used: Totals;
  readonly isolations: Readonly<Record<Isolation, number>>;
  readonly queue: {
    readonly length: number;
    readonly oldestMs: number;
    readonly tenants: readonly { readonly tenant: string; readonly waiting: number; readonly weight: number }[];
  };
  readonly inFlight: number;
  readonly limiter: LimiterStatus;
  readonly rateTokens: number;
}
