import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { EventFilter, EventQuery, NewEvent, Store, StoredEvent } from "@isthmus/core";
import { EVENTS_KEPT, LICENCE_EVENTS_KEPT, PRUNE_EVERY_EVENTS } from "./config.ts";
import { labelClause } from "./machines.ts";
import { jsonObject, text } from "./rows.ts";

/** What is known of the machine that an event is of. */
interface Subject {
  readonly tenant: string | null;
  readonly image: string | null;
  readonly labels: string | null;
}

const nobody: Subject = { tenant: null, image: null, labels: null };

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
    const insert = this.#db.prepare(
      "INSERT INTO events (time, type, machine_id, machine_name, details, tenant, image, labels) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    );
    const stored = events.map((event) => {
      const details = event.details ?? {};
      const { type, machineId = null, machineName = null } = event;
      const { tenant, image, labels } = this.#subject(machineId);
      const whose = event.tenant ?? tenant;
      const { lastInsertRowid } = insert.run(time, type, machineId, machineName, JSON.stringify(details), whose, image, labels);
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
  #subject(machineId: string | null): Subject {
    if (machineId === null) return nobody;
    const row =
      this.#db
        .prepare(
          `SELECT json_extract(machine, '$.spec.tenant') AS tenant, json_extract(machine, '$.spec.image') AS image, labels
           FROM machines WHERE id = ?`,
        )
        .get(machineId) ??
      this.#db
        .prepare(
          "SELECT tenant, image, labels FROM events WHERE machine_id = ? AND (tenant IS NOT NULL OR image IS NOT NULL) ORDER BY seq DESC LIMIT 1",
        )
        .get(machineId);
    return row === undefined ? nobody : { tenant: optional(row.tenant), image: optional(row.image), labels: optional(row.labels) };
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

  query({ afterSeq, sinceIso, untilIso, limit, machineId, tenant, newest = false, ...filter }: EventQuery): StoredEvent[] {
    const where = ["seq > ?", "time >= ?"];
    const values: SQLInputValue[] = [afterSeq ?? 0, sinceIso ?? ""];
    const only = (column: string, value: string | undefined) => {
      if (value === undefined) return;
      where.push(`${column} = ?`);
      values.push(value);
    };
    only("machine_id", machineId);
    only("tenant", tenant);
    if (untilIso !== undefined) {
      where.push("time <= ?");
      values.push(untilIso);
    }
    narrow(filter, where, values);
    const rows = this.#db
      .prepare(
        `SELECT seq, time, type, machine_id, machine_name, details FROM events
         WHERE ${where.join(" AND ")} ORDER BY seq ${newest ? "DESC" : "ASC"} LIMIT ?`,
      )
      .all(...values, limit);
    const events = rows.map(storedEvent);
    return newest ? events.reverse() : events;
  }

  ofLicences({ afterSeq = 0, newest = false, limit }: Parameters<Store["licenceEvents"]>[0]): StoredEvent[] {
    const events = this.#db
      .prepare(
        `SELECT seq, time, type, machine_id, machine_name, details FROM events
         WHERE ${OF_LICENCES} AND seq > ? ORDER BY seq ${newest ? "DESC" : "ASC"} LIMIT ?`,
      )
      .all(afterSeq, limit)
      .map(storedEvent);
    return newest ? events.reverse() : events;
  }
}

function narrow({ types, kinds, images, labels }: EventFilter, where: string[], values: SQLInputValue[]): void {
  const any = (clauses: readonly string[] | undefined, given: readonly string[] = []) => {
    if (clauses === undefined || clauses.length === 0) return;
    where.push(`(${clauses.join(" OR ")})`);
    values.push(...given);
  };
  any(
    types?.map(() => "type = ? OR substr(type, instr(type, '.') + 1) = ?"),
    types?.flatMap((type) => [type, type]),
  );
  any(
    kinds?.map(() => "substr(type, 1, instr(type, '.') - 1) = ?"),
    kinds,
  );
  any(
    images?.map(() => "image = ?"),
    images,
  );
  for (const label of labels ?? []) any(...labelClause(label));
}

function optional(value: unknown): string | null {
  return value === undefined || value === null ? null : text(value);
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
