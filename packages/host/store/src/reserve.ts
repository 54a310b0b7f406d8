import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { RESERVE_BYTES } from "./config.ts";

/**
 * Room inside the database's own files, so that stops and removals can be written down on a full disk. A file that is given up then would not do: guests
 * that wait for room take it first. SQLite writes its log over from the beginning in the blocks that it has, and new rows into pages that others left.
 */
export class Reserve {
  readonly #db: DatabaseSync;
  readonly #log: string;

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#log = `${path}-wal`;
  }

  /** Fills it up when less than half of it is left. Throws what SQLite throws. */
  fill(): void {
    if (this.#freeBytes() > RESERVE_BYTES / 2 && (statSync(this.#log, { throwIfNoEntry: false })?.size ?? 0) >= RESERVE_BYTES) return;
    // One that an earlier process left half-way.
    this.#db.exec("DROP TABLE IF EXISTS reserve");
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      this.#db.exec("CREATE TABLE reserve (filler BLOB) STRICT");
      this.#db.prepare("INSERT INTO reserve (filler) VALUES (zeroblob(?))").run(RESERVE_BYTES);
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
    // Into the database file, before the pages are free: SQLite does not write free ones.
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    this.#db.exec("DROP TABLE reserve");
  }

  #freeBytes(): number {
    const pages = this.#db.prepare("PRAGMA freelist_count").get()?.freelist_count;
    const size = this.#db.prepare("PRAGMA page_size").get()?.page_size;
    return Number(pages) * Number(size);
  }
}
