import { IsthmusError, type LicencePoolSpec, type LicencePoolStatus, type LicenceReport } from "@isthmus/contract";
import type { LicenceActions, ReportOptions } from "@isthmus/core";

/** Licence pools in memory, which nobody takes seats from. */
export class FakeLicences implements LicenceActions {
  readonly pools = new Map<string, LicencePoolStatus>();
  readonly reports: ReportOptions[] = [];

  add(spec: LicencePoolSpec): LicencePoolStatus {
    const name = spec.name ?? spec.product;
    if (this.pools.has(name)) throw new IsthmusError("LICENCE_POOL_TAKEN", { name });
    return this.replace(name, spec);
  }

  replace(name: string, spec: LicencePoolSpec): LicencePoolStatus {
    const now = "2026-01-01T00:00:00.000Z";
    const decided = {
      limit: "hard" as const,
      onShortage: "queue" as const,
      onSuspend: "return" as const,
      images: [],
      createdAt: now,
      updatedAt: now,
    };
    const pool: LicencePoolStatus = { ...decided, ...spec, name, used: 0, free: spec.seats, standing: "ok", holders: [] };
    this.pools.set(name, pool);
    return pool;
  }

  list(): readonly LicencePoolStatus[] {
    return [...this.pools.values()];
  }

  get(name: string): LicencePoolStatus {
    const pool = this.pools.get(name);
    if (!pool) throw new IsthmusError("LICENCE_POOL_NOT_FOUND", { name });
    return pool;
  }

  remove(name: string): LicencePoolStatus {
    const pool = this.get(name);
    this.pools.delete(name);
    return pool;
  }

  async report(options: ReportOptions = {}): Promise<LicenceReport> {
    this.reports.push(options);
    const { sinceMs = 0, untilMs = 1 } = options;
    return { since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString(), products: [] };
  }
}
