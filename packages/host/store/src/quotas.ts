import type { DatabaseSync } from "node:sqlite";
import { IsthmusError } from "@isthmus/contract";
import type { StoredQuota } from "@isthmus/core";
import { jsonObject, text } from "./rows.ts";

/** The table of quotas. Statements run inside the caller's transaction. */
export class QuotaTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  all(): StoredQuota[] {
    return this.#db.prepare("SELECT quota FROM quotas ORDER BY tenant").all().map(quotaOf);
  }

  of(tenant: string): StoredQuota | undefined {
    const row = this.#db.prepare("SELECT quota FROM quotas WHERE tenant = ?").get(tenant);
    return row && quotaOf(row);
  }

  put(quota: StoredQuota): void {
    this.#db
      .prepare("INSERT INTO quotas (tenant, quota) VALUES (?1, ?2) ON CONFLICT (tenant) DO UPDATE SET quota = ?2")
      .run(quota.tenant, JSON.stringify(quota));
  }

  remove(tenant: string): void {
    this.#db.prepare("DELETE FROM quotas WHERE tenant = ?").run(tenant);
  }
}

/** Rows are written by `put` only; one that was damaged is STORE_FAILED. */
function quotaOf(row: Readonly<Record<string, unknown>>): StoredQuota {
  const quota: unknown = jsonObject(text(row.quota));
  if (isQuota(quota)) return quota;
  throw new IsthmusError("STORE_FAILED", { reason: "the row of a quota is damaged" });
}

function isQuota(value: unknown): value is StoredQuota {
  return (
    typeof value === "object" &&
    value !== null &&
    "tenant" in value &&
    typeof value.tenant === "string" &&
    "weight" in value &&
    typeof value.weight === "number" &&
    "updatedAt" in value &&
    typeof value.updatedAt === "string"
  );
}
