import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { NewEvent, StoredEvent } from "@isthmus/core";
import { EVENTS_KEPT, LICENCE_EVENTS_KEPT, PRUNE_EVERY_EVENTS } from "./config.ts";
import { jsonObject, text } from "./rows.ts";

interface EventQuery {
  readonly afterSeq?: number;
  readonly sinceIso?: string;
  readonly limit: number;
  readonly machineId?: string;
  readonly tenant?: string;
  readonly newest?: boolean;
}

/** As in the index `events_of_licences`. */
const OF_LICENCES = "type >= 'licence.' AND type < 'licence/'";

/** The event log. Appending happens inside the caller's transaction. */
export class EventLog {
  readonly #db: DatabaseSync;
  #sincePrune = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  append(events: readonly NewEvent[], nowMs: number): StoredEvent[] {
    const time = new Date(nowMs).toISOString();
    const insert = this.#db.prepare("INSERT INTO events (time, type, machine_id, machine_name, details, tenant) VALUES (?, ?, ?, ?, ?, ?)");
    const stored = events.map((event) => {
      const details = event.details ?? {};
      const { type, machineId = null, machineName = null } = event;
      const tenant = event.tenant ?? this.#tenantOf(machineId);
      const { lastInsertRowid } = insert.run(time, type, machineId, machineName, JSON.stringify(details), tenant);
      return { ...event, details, time, seq: Number(lastInsertRowid) };
    });
    this.#sincePrune += stored.length;
    const last = stored.at(-1);
    if (last && this.#sincePrune >= PRUNE_EVERY_EVENTS) {
      this.#sincePrune = 0;
      this.#prune(last.seq);
    }
    return stored;
  }

  /** Of a machine that is gone, what its earlier events say. */
  #tenantOf(machineId: string | null): string | null {
    if (machineId === null) return null;
    const row =
      this.#db.prepare("SELECT json_extract(machine, '$.spec.tenant') AS tenant FROM machines WHERE id = ?").get(machineId) ??
      this.#db.prepare("SELECT tenant FROM events WHERE machine_id = ? AND tenant IS NOT NULL ORDER BY seq DESC LIMIT 1").get(machineId);
    return row?.tenant === undefined || row.tenant === null ? null : text(row.tenant);
  }

  #prune(lastSeq: number): void {
    this.#db.prepare(`DELETE FROM events WHERE seq <= ? AND NOT (${OF_LICENCES})`).run(lastSeq - EVENTS_KEPT);
    const oldest = this.#db
      .prepare(`SELECT seq FROM events WHERE ${OF_LICENCES} ORDER BY seq DESC LIMIT 1 OFFSET ?`)
      .get(LICENCE_EVENTS_KEPT)?.seq;
    if (oldest !== undefined) this.#db.prepare(`DELETE FROM events WHERE seq <= ? AND ${OF_LICENCES}`).run(Number(oldest));
  }

  /** of the newest event there ever was; 0 before the first */
  lastSeq(): number {
    return Number(this.#db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get()?.seq ?? 0);
  }

  query({ afterSeq, sinceIso, limit, machineId, tenant, newest = false }: EventQuery): StoredEvent[] {
    const where = ["seq > ?", "time >= ?"];
    const values: SQLInputValue[] = [afterSeq ?? 0, sinceIso ?? ""];
    const only = (column: string, value: string | undefined) => {
      if (value === undefined) return;
      where.push(`${column} = ?`);
      values.push(value);
    };
    only("machine_id", machineId);
    only("tenant", tenant);
    const rows = this.#db
      .prepare(
        `SELECT seq, time, type, machine_id, machine_name, details FROM events
         WHERE ${where.join(" AND ")} ORDER BY seq ${newest ? "DESC" : "ASC"} LIMIT ?`,
      )
      .all(...values, limit);
    const events = rows.map(storedEvent);
    return newest ? events.reverse() : events;
  }

  ofLicences({ afterSeq, limit }: { readonly afterSeq?: number; readonly limit: number }): StoredEvent[] {
    return this.#db
      .prepare(
        `SELECT seq, time, type, machine_id, machine_name, details FROM events WHERE ${OF_LICENCES} AND seq > ? ORDER BY seq LIMIT ?`,
      )
      .all(afterSeq ?? 0, limit)
      .map(storedEvent);
  }
}

function storedEvent(row: Readonly<Record<string, unknown>>): StoredEvent {
  return {
    seq: Number(row.seq),
    time: text(row.time),
    type: text(row.type),
    machineId: row.machine_id === null ? undefined : text(row.machine_id),
    machineName: row.machine_name === null ? undefined : text(row.machine_name),
    details: jsonObject(text(row.details)),
  };
}
