import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { hasCode, IsthmusError, type LicencePool } from "@isthmus/contract";
import type { MachineRecord, NewEvent, Store, StoredEvent, StoredNetwork, StoredQuota, StoredSecret, StoredToken } from "@isthmus/core";
import { Ballast } from "./ballast.ts";
import { CREATE_ROOM_BYTES, IDEMPOTENCY_KEPT_MS } from "./config.ts";
import { isFull, openDatabase, storing } from "./database.ts";
import { EventLog } from "./events.ts";
import { LicencePoolTable } from "./licence-pools.ts";
import { lockFolder } from "./lock.ts";
import { MachineTable } from "./machines.ts";
import { migrate } from "./migrate.ts";
import { NetworkTable } from "./networks.ts";
import { QuotaTable } from "./quotas.ts";
import { Reserve } from "./reserve.ts";
import { text } from "./rows.ts";
import { SecretTable } from "./secrets.ts";
import { TokenTable } from "./tokens.ts";

type Listener = (events: readonly StoredEvent[]) => void;

class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #lock: { release(): void };
  readonly #folder: string;
  readonly #reserve: Reserve;
  readonly #machines: MachineTable;
  readonly #events: EventLog;
  readonly #pools: LicencePoolTable;
  readonly #quotas: QuotaTable;
  readonly #networks: NetworkTable;
  readonly #secrets: SecretTable;
  readonly #tokens: TokenTable;
  readonly #listeners = new Set<Listener>();
  readonly #now: () => number;

  constructor(path: string, now: () => number) {
    this.#now = now;
    this.#folder = dirname(path);
    this.#lock = lockFolder(this.#folder);
    try {
      this.#db = opened(path);
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    this.#reserve = new Reserve(this.#db, path);
    this.#machines = new MachineTable(this.#db);
    this.#events = new EventLog(this.#db);
    this.#pools = new LicencePoolTable(this.#db);
    this.#quotas = new QuotaTable(this.#db);
    this.#networks = new NetworkTable(this.#db);
    this.#secrets = new SecretTable(this.#db);
    this.#tokens = new TokenTable(this.#db);
  }

  insertMachine(
    record: MachineRecord,
    events: readonly NewEvent[],
    idempotency?: { readonly key: string; readonly requestHash: string },
  ): void {
    // What makes more comes to nothing before what makes less does.
    if (freeBytes(this.#folder) < CREATE_ROOM_BYTES) throw new IsthmusError("DISK_FULL", { what: "another machine" });
    storing(() => this.#reserve.fill());
    this.#write(events, () => {
      this.#machines.insert(record);
      if (!idempotency) return;
      const now = this.#now();
      this.#db.prepare("DELETE FROM idempotency_keys WHERE created_ms < ?").run(now - IDEMPOTENCY_KEPT_MS);
      this.#db
        .prepare("INSERT INTO idempotency_keys (key, request_hash, machine_id, created_ms) VALUES (?, ?, ?, ?)")
        .run(idempotency.key, idempotency.requestHash, record.machine.id, now);
    });
  }

  updateMachine(record: MachineRecord, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#machines.update(record));
  }

  deleteMachine(id: string, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#machines.remove(id));
  }

  appendEvents(events: readonly NewEvent[]): void {
    this.#write(events, () => undefined);
  }

  machine(ref: string, tenant?: string): MachineRecord {
    return storing(() => this.#machines.get(ref, tenant));
  }

  machines(query: Parameters<Store["machines"]>[0]): ReturnType<Store["machines"]> {
    return storing(() => this.#machines.page(query));
  }

  allMachines(): readonly MachineRecord[] {
    return storing(() => this.#machines.all());
  }

  leases(): ReturnType<Store["leases"]> {
    return storing(() => this.#machines.leases());
  }

  quotas(): readonly StoredQuota[] {
    return storing(() => this.#quotas.all());
  }

  quota(tenant: string): StoredQuota | undefined {
    return storing(() => this.#quotas.of(tenant));
  }

  putQuota(quota: StoredQuota, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#quotas.put(quota));
  }

  deleteQuota(tenant: string, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#quotas.remove(tenant));
  }

  networks(): readonly StoredNetwork[] {
    return storing(() => this.#networks.all());
  }

  insertNetwork(network: StoredNetwork, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#networks.insert(network));
  }

  deleteNetwork(name: string, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#networks.remove(name));
  }

  secrets(): readonly StoredSecret[] {
    return storing(() => this.#secrets.all());
  }

  secret(tenant: string, name: string): StoredSecret | undefined {
    return storing(() => this.#secrets.of(tenant, name));
  }

  insertSecret(secret: StoredSecret, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#secrets.insert(secret));
  }

  deleteSecret(tenant: string, name: string, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#secrets.remove(tenant, name));
  }

  tokens(): readonly StoredToken[] {
    return storing(() => this.#tokens.all());
  }

  insertToken(token: StoredToken, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#tokens.insert(token));
  }

  deleteToken(id: string, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#tokens.remove(id));
  }

  licencePools(): readonly LicencePool[] {
    return storing(() => this.#pools.all());
  }

  putLicencePool(pool: LicencePool, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#pools.put(pool));
  }

  deleteLicencePool(name: string, events: readonly NewEvent[]): void {
    this.#write(events, () => this.#pools.remove(name));
  }

  licenceEvents(query: Parameters<Store["licenceEvents"]>[0]): readonly StoredEvent[] {
    return storing(() => this.#events.ofLicences(query));
  }

  counts(tenant?: string): ReturnType<Store["counts"]> {
    return storing(() => this.#machines.counts(tenant));
  }

  nameHolder(name: string): string | undefined {
    return storing(() => this.#machines.nameHolder(name));
  }

  imageHolder(digest: string): string | undefined {
    return storing(() => this.#machines.imageHolder(digest));
  }

  idempotent(key: string, requestHash: string): MachineRecord | undefined {
    return storing(() => {
      const oldest = this.#now() - IDEMPOTENCY_KEPT_MS;
      const row = this.#db
        .prepare("SELECT request_hash, machine_id FROM idempotency_keys WHERE key = ? AND created_ms >= ?")
        .get(key, oldest);
      if (!row) return undefined;
      if (row.request_hash !== requestHash) throw new IsthmusError("IDEMPOTENCY_MISMATCH", { key });
      return this.#machines.get(text(row.machine_id));
    });
  }

  events(query: Parameters<Store["events"]>[0]): readonly StoredEvent[] {
    return storing(() => this.#events.query(query));
  }

  lastEventSeq(): number {
    return storing(() => this.#events.lastSeq());
  }

  onEvents(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#db.close();
    this.#lock.release();
  }

  /** One durable transaction. Listeners hear of the events after the commit. */
  #write(events: readonly NewEvent[], action: () => void): void {
    const stored = storing(() => this.#transaction(events, action));
    if (stored.length > 0) for (const listener of this.#listeners) listener(stored);
  }

  #transaction(events: readonly NewEvent[], action: () => void): StoredEvent[] {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      action();
      const stored = this.#events.append(events, this.#now());
      this.#db.exec("COMMIT");
      return stored;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }
}

/** The database with its reserve. On a full disk the ballast is given up for that; what then finds no room yet, a reserve, is made with the next machine. */
function opened(path: string): DatabaseSync {
  const ballast = new Ballast(`${path}.ballast`);
  try {
    return withReserve(path, (db) => new Reserve(db, path).fill());
  } catch (error) {
    if (!hasCode(error, "DISK_FULL")) throw error;
    ballast.release();
    return withReserve(path, (db) => {
      try {
        new Reserve(db, path).fill();
      } catch (cause) {
        if (!isFull(cause)) throw cause;
      }
    });
  } finally {
    ballast.fill();
  }
}

function withReserve(path: string, fill: (db: DatabaseSync) => void): DatabaseSync {
  const db = openDatabase(path);
  try {
    storing(() => {
      migrate(db, path);
      fill(db);
    });
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/**
 * Opens the store at `path`, made or migrated when needed, and holds its folder for this process.
 * Throws DATA_FOLDER_LOCKED, STORE_TOO_NEW, STORE_FAILED, DISK_FULL.
 */
export function openStore(path: string, now: () => number = Date.now): Store {
  return new SqliteStore(path, now);
}
