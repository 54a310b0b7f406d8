import type { DatabaseSync } from "node:sqlite";
import { IsthmusError, roles } from "@isthmus/contract";
import type { StoredToken } from "@isthmus/core";
import { jsonObject, text } from "./rows.ts";

/** The table of tokens, which holds the hash of each and never its value. Statements run inside the caller's transaction. */
export class TokenTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  all(): StoredToken[] {
    return this.#db.prepare("SELECT token FROM tokens ORDER BY id").all().map(tokenOf);
  }

  insert(token: StoredToken): void {
    this.#db.prepare("INSERT INTO tokens (id, token) VALUES (?, ?)").run(token.id, JSON.stringify(token));
  }

  remove(id: string): void {
    this.#db.prepare("DELETE FROM tokens WHERE id = ?").run(id);
  }
}

/** Rows are written by `insert` only; one that was damaged is STORE_FAILED: a right that cannot be read is no right. */
function tokenOf(row: Readonly<Record<string, unknown>>): StoredToken {
  const token: unknown = jsonObject(text(row.token));
  if (isToken(token)) return token;
  throw new IsthmusError("STORE_FAILED", { reason: "the row of a token is damaged" });
}

function isToken(value: unknown): value is StoredToken {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, role, tenant, hash, createdAt, expiresAt } = value as Partial<Record<keyof StoredToken, unknown>>;
  const texts = [id, name, hash, createdAt].every((one) => typeof one === "string");
  const optional = [tenant, expiresAt].every((one) => one === undefined || typeof one === "string");
  return texts && optional && roles.some((known) => known === role);
}
