import { createHash } from "node:crypto";
import { copyFileSync, existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { IsthmusError } from "@isthmus/contract";
import { migrations } from "./migrations.ts";

const checksum = (sql: string) => createHash("sha256").update(sql).digest("hex");

/**
 * Brings the database to the newest version, each step in a transaction of its own. A database with content is copied to `<path>.v<version>.bak` first.
 * Throws STORE_TOO_NEW (nothing is touched), STORE_FAILED when a released migration was edited.
 */
export function migrate(db: DatabaseSync, path: string, steps: readonly string[] = migrations): void {
  const version = userVersion(db);
  if (version > steps.length) throw new IsthmusError("STORE_TOO_NEW", { value: version, limit: steps.length });
  if (version > 0) verify(db, steps.slice(0, version));
  if (version === steps.length) return;
  if (version > 0) backup(db, path, version);
  db.exec("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, checksum TEXT NOT NULL) STRICT");
  for (let next = version; next < steps.length; next += 1) {
    const sql = steps[next] ?? "";
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(sql);
      db.prepare("INSERT INTO migrations (version, checksum) VALUES (?, ?)").run(next + 1, checksum(sql));
      db.exec(`PRAGMA user_version = ${next + 1}`);
      db.exec("COMMIT");
    } catch (cause) {
      db.exec("ROLLBACK");
      throw new IsthmusError("STORE_FAILED", { reason: `migration ${next + 1} failed` }, { cause });
    }
  }
}

export function userVersion(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.user_version ?? 0);
}

function verify(db: DatabaseSync, applied: readonly string[]): void {
  const rows = db.prepare("SELECT checksum FROM migrations ORDER BY version").all();
  for (const [index, sql] of applied.entries()) {
    if (rows[index]?.checksum !== checksum(sql)) {
      throw new IsthmusError("STORE_FAILED", { reason: `migration ${index + 1} of this program is not the one that made the database` });
    }
  }
}

function backup(db: DatabaseSync, path: string, version: number): void {
  const target = `${path}.v${version}.bak`;
  if (existsSync(target)) return;
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  copyFileSync(path, target);
}
