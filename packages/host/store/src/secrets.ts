import type { DatabaseSync } from "node:sqlite";
import { IsthmusError } from "@isthmus/contract";
import type { StoredSecret } from "@isthmus/core";
import { text } from "./rows.ts";

/** The table of secrets, which come sealed. Statements run inside the caller's transaction. */
export class SecretTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  all(): StoredSecret[] {
    return this.#db.prepare("SELECT * FROM secrets ORDER BY tenant, name").all().map(secretOf);
  }

  of(tenant: string, name: string): StoredSecret | undefined {
    const row = this.#db.prepare("SELECT * FROM secrets WHERE tenant = ? AND name = ?").get(tenant, name);
    return row && secretOf(row);
  }

  insert({ tenant, name, createdAt, sizeBytes, sealed }: StoredSecret): void {
    this.#db
      .prepare("INSERT INTO secrets (tenant, name, created_at, size_bytes, sealed) VALUES (?, ?, ?, ?, ?)")
      .run(tenant, name, createdAt, sizeBytes, sealed);
  }

  remove(tenant: string, name: string): void {
    this.#db.prepare("DELETE FROM secrets WHERE tenant = ? AND name = ?").run(tenant, name);
  }
}

function secretOf(row: Readonly<Record<string, unknown>>): StoredSecret {
  const { sealed } = row;
  if (!(sealed instanceof Uint8Array)) throw new IsthmusError("STORE_FAILED", { reason: "the row of a secret is damaged" });
  const about = { tenant: text(row.tenant), name: text(row.name), createdAt: text(row.created_at) };
  return { ...about, sizeBytes: Number(row.size_bytes), sealed: Buffer.from(sealed) };
}
