import type { DatabaseSync } from "node:sqlite";
import { IsthmusError, type LicencePool } from "@isthmus/contract";
import { jsonObject, text } from "./rows.ts";

/** The table of licence pools. Statements run inside the caller's transaction. */
export class LicencePoolTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  all(): LicencePool[] {
    return this.#db.prepare("SELECT pool FROM licence_pools ORDER BY name").all().map(poolOf);
  }

  put(pool: LicencePool): void {
    this.#db
      .prepare("INSERT INTO licence_pools (name, pool) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET pool = ?2")
      .run(pool.name, JSON.stringify(pool));
  }

  remove(name: string): void {
    this.#db.prepare("DELETE FROM licence_pools WHERE name = ?").run(name);
  }
}

/** Rows are written by `put` only; one that was damaged is STORE_FAILED. */
function poolOf(row: Readonly<Record<string, unknown>>): LicencePool {
  const pool: unknown = jsonObject(text(row.pool));
  if (isPool(pool)) return pool;
  throw new IsthmusError("STORE_FAILED", { reason: "the row of a licence pool is damaged" });
}

function isPool(value: unknown): value is LicencePool {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "product" in value &&
    typeof value.product === "string" &&
    "seats" in value &&
    typeof value.seats === "number"
  );
}
