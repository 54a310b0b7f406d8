import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { defaults, IsthmusError, type Machine, type MachineState } from "@isthmus/contract";
import type { LeaseHolder, MachineQuery, MachineRecord, Store } from "@isthmus/core";
import { PREFIX_CHARS_MIN, RECORD_KEPT_CHARS, RECORDS_KEPT } from "./config.ts";
import { machineRecord, text } from "./rows.ts";

/** Specs are kept with their tenant filled in. */
const TENANT = "json_extract(machine, '$.spec.tenant')";

/** The table of machines. Statements run inside the caller's transaction. */
export class MachineTable {
  readonly #db: DatabaseSync;
  /** Records as they were last read, by id: a start looks at its machine's a dozen times. What is written is forgotten, for its transaction may come to nothing. */
  readonly #read = new Map<string, MachineRecord>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Throws NAME_TAKEN. */
  insert({ machine, boot }: MachineRecord): void {
    const holder = this.nameHolder(machine.name);
    if (holder !== undefined) throw new IsthmusError("NAME_TAKEN", { name: machine.name, holder });
    this.#db
      .prepare(
        `INSERT INTO machines (id, name, state, image_digest, memory_bytes, labels, created_at, machine, boot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(...columns(machine), JSON.stringify(machine), JSON.stringify(boot));
  }

  /** Throws MACHINE_NOT_FOUND. */
  update({ machine, boot }: MachineRecord): void {
    const [id, name, state, digest, memory, labels, createdAt] = columns(machine);
    this.#read.delete(id);
    const { changes } = this.#db
      .prepare("UPDATE machines SET name=?, state=?, image_digest=?, memory_bytes=?, labels=?, created_at=?, machine=?, boot=? WHERE id=?")
      .run(name, state, digest, memory, labels, createdAt, JSON.stringify(machine), JSON.stringify(boot), id);
    if (Number(changes) === 0) throw new IsthmusError("MACHINE_NOT_FOUND", { ref: machine.id });
  }

  remove(id: string): void {
    this.#read.delete(id);
    this.#db.prepare("DELETE FROM machines WHERE id = ?").run(id);
  }

  /** With `tenant` there are no machines but its own. */
  get(ref: string, tenant?: string): MachineRecord {
    const known = tenant === undefined ? this.#read.get(ref) : undefined;
    if (known) return known;
    const row = this.#find(ref, tenant);
    const record = machineRecord(row);
    if (text(row.machine).length + text(row.boot).length > RECORD_KEPT_CHARS) return record;
    if (this.#read.size >= RECORDS_KEPT) this.#read.clear();
    this.#read.set(record.machine.id, record);
    return record;
  }

  #find(ref: string, tenant?: string): Readonly<Record<string, unknown>> {
    const own = `(?2 IS NULL OR ${TENANT} = ?2)`;
    const exact = this.#db
      .prepare(`SELECT * FROM machines WHERE (id = ?1 OR name = ?1) AND ${own} ORDER BY id = ?1 DESC LIMIT 1`)
      .get(ref, tenant ?? null);
    if (exact) return exact;
    if (ref.length < PREFIX_CHARS_MIN || !/^[0-9a-f]+$/.test(ref)) throw new IsthmusError("MACHINE_NOT_FOUND", { ref });
    const rows = this.#db.prepare(`SELECT * FROM machines WHERE id >= ?1 AND id < ?1 || 'g' AND ${own} LIMIT 2`).all(ref, tenant ?? null);
    if (rows.length > 1) throw new IsthmusError("MACHINE_AMBIGUOUS", { ref });
    if (!rows[0]) throw new IsthmusError("MACHINE_NOT_FOUND", { ref });
    return rows[0];
  }

  /** One page, newest first. The cursor is the last machine's age and id. Throws INVALID_REQUEST. */
  page(query: MachineQuery): ReturnType<Store["machines"]> {
    const { where, values } = filters(query);
    const rows = this.#db
      .prepare(`SELECT * FROM machines WHERE ${where.join(" AND ")} ORDER BY created_at DESC, id DESC LIMIT ?`)
      .all(...values, query.limit + 1);
    const records = rows.slice(0, query.limit).map(machineRecord);
    const last = records.at(-1)?.machine;
    return {
      records,
      next: rows.length > query.limit && last ? Buffer.from(`${last.createdAt} ${last.id}`).toString("base64url") : undefined,
    };
  }

  all(): MachineRecord[] {
    return this.#db.prepare("SELECT * FROM machines ORDER BY created_at, id").all().map(machineRecord);
  }

  leases(): LeaseHolder[] {
    const rows = this.#db.prepare("SELECT * FROM machines WHERE json_extract(boot, '$.lease') IS NOT NULL ORDER BY id").all();
    return rows.flatMap((row) => {
      const { machine, boot } = machineRecord(row);
      const { id, name, state, spec } = machine;
      return boot.lease ? [{ id, name, state, tenant: spec.tenant, lease: boot.lease, ttlMs: spec.ttlMs }] : [];
    });
  }

  counts(tenant?: string): Partial<Record<MachineState, number>> {
    const rows = this.#db
      .prepare(`SELECT state, count(*) AS count FROM machines WHERE ?1 IS NULL OR ${TENANT} = ?1 GROUP BY state`)
      .all(tenant ?? null);
    return Object.fromEntries(rows.map((row) => [text(row.state), Number(row.count)]));
  }

  nameHolder(name: string): string | undefined {
    const row = this.#db.prepare("SELECT id FROM machines WHERE name = ?").get(name);
    return row ? text(row.id) : undefined;
  }

  imageHolder(digest: string): string | undefined {
    const row = this.#db.prepare("SELECT name FROM machines WHERE image_digest = ? LIMIT 1").get(digest);
    return row ? text(row.name) : undefined;
  }
}

function columns(machine: Machine): [string, string, string, string, number, string, string] {
  const { id, name, state, imageDigest, spec, createdAt } = machine;
  return [id, name, state, imageDigest, spec.memoryBytes ?? defaults.memoryBytes, JSON.stringify(spec.labels ?? {}), createdAt];
}

function filters(query: MachineQuery): { where: string[]; values: SQLInputValue[] } {
  const where = ["1"];
  const values: SQLInputValue[] = [];
  const add = (clause: string, ...given: SQLInputValue[]) => {
    where.push(clause);
    values.push(...given);
  };
  if (query.states) {
    const among = `state IN (${query.states.map(() => "?").join(",") || "NULL"})`;
    add(query.orRestarting ? `(${among} OR json_extract(machine, '$.restartsAt') IS NOT NULL)` : among, ...query.states);
  }
  if (query.tenant !== undefined) add(`${TENANT} = ?`, query.tenant);
  for (const label of query.labels ?? []) {
    const [clauses, given] = labelClause(label);
    add(clauses.join(" OR "), ...given);
  }
  narrow(query, add);
  if (query.cursor !== undefined) add("(created_at, id) < (?, ?)", ...cursorOf(query.cursor));
  return { where, values };
}

/** Of several of one kind any does. */
function narrow(query: MachineQuery, add: (clause: string, ...given: SQLInputValue[]) => void): void {
  const any = <T>(wanted: readonly T[] | undefined, clause: string, given: (one: T) => readonly SQLInputValue[]) => {
    if (wanted) add(`(${wanted.map(() => clause).join(" OR ") || "0"})`, ...wanted.flatMap(given));
  };
  any(query.names, "instr(name, ?) > 0", (name) => [name]);
  any(query.ids, "substr(id, 1, length(?)) = ?", (id) => [id, id]);
  any(query.exitCodes, "(state = 'exited' AND json_extract(machine, '$.exit.code') = ?)", (code) => [code]);
  const image = "(json_extract(machine, '$.spec.image') IN (SELECT value FROM json_each(?)) OR image_digest = ?)";
  any(query.images, image, ({ names, digest }) => [JSON.stringify(names), digest ?? null]);
  any(query.health, "coalesce(CASE state WHEN 'running' THEN json_extract(machine, '$.health.status') END, 'none') = ?", (status) => [
    status,
  ]);
  const mounted =
    "EXISTS (SELECT 1 FROM json_each(machine, '$.spec.mounts') AS mount WHERE ? IN (mount.value ->> 'source', mount.value ->> 'path'))";
  any(query.volumes, mounted, (volume) => [volume]);
  if (query.before) add("(created_at, id) < (?, ?)", query.before.createdAt, query.before.id);
  if (query.after) add("(created_at, id) > (?, ?)", query.after.createdAt, query.after.id);
}

/** On a column `labels` that holds a JSON object. */
export function labelClause({ key, value }: { readonly key: string; readonly value?: string }): [string[], string[]] {
  const path = `$.${JSON.stringify(key)}`;
  return value === undefined ? [["json_extract(labels, ?) IS NOT NULL"], [path]] : [["json_extract(labels, ?) = ?"], [path, value]];
}

function cursorOf(cursor: string): [string, string] {
  const match = /^(\S{1,40}) ([0-9a-f]{16})$/.exec(Buffer.from(cursor, "base64url").toString());
  if (match?.[1] && match[2]) return [match[1], match[2]];
  throw new IsthmusError("INVALID_REQUEST", {
    field: "cursor",
    reason: "it is not the next of an earlier page",
    value: cursor.slice(0, 100),
  });
}
