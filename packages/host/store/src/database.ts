import { DatabaseSync, type StatementSync } from "node:sqlite";
import { IsthmusError } from "@isthmus/contract";
import { BUSY_TIMEOUT_MS, CHECKPOINT_PAGES, SQLITE_MIN, STATEMENTS_KEPT } from "./config.ts";

/** Compiles each statement once: a start makes dozens of calls, and compiling costs more than most of them. */
class Database extends DatabaseSync {
  readonly #kept = new Map<string, StatementSync>();

  override prepare(sql: string): StatementSync {
    const known = this.#kept.get(sql);
    if (known) return known;
    const statement = super.prepare(sql);
    if (this.#kept.size < STATEMENTS_KEPT) this.#kept.set(sql, statement);
    return statement;
  }
}

/** Opens the file with the settings that make a commit durable: WAL, synchronous FULL. Throws STORE_FAILED. */
export function openDatabase(path: string): DatabaseSync {
  const db = storing(() => new Database(path));
  storing(() => {
    assertVersion(String(db.prepare("SELECT sqlite_version() AS version").get()?.version));
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    db.exec("PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = FULL");
    db.exec("PRAGMA foreign_keys = ON");
    db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  });
  return db;
}

export function assertVersion(version: string): void {
  const parts = version.split(".").map(Number);
  for (const [index, least] of SQLITE_MIN.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) return;
    if (part < least)
      throw new IsthmusError("STORE_FAILED", {
        reason: `SQLite ${version} can corrupt its log; at least ${SQLITE_MIN.join(".")} is needed`,
      });
  }
}

const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;

/** True when SQLite reports that the disk is full; with WAL that also comes as an I/O error of a write (errcode 778) or of growing the shared memory file. */
export function isFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === SQLITE_FULL || (code !== undefined && (code & 0xff) === SQLITE_IOERR && [778, 4874, 5386].includes(code));
}

function errorCode(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
}

/** Runs `action`; what SQLite throws becomes DISK_FULL or STORE_FAILED. */
export function storing<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof IsthmusError) throw cause;
    if (isFull(cause)) throw new IsthmusError("DISK_FULL", { what: "the database" }, { cause });
    throw new IsthmusError("STORE_FAILED", { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
