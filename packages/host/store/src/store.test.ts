import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Machine } from "@isthmus/contract";
import type { MachineRecord } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assertVersion } from "./database.ts";
import { migrate } from "./migrate.ts";
import { openStore } from "./mod.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-store-"));
  path = join(folder, "isthmus.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function record(id: string, name: string, over: Partial<Machine> = {}): MachineRecord {
  const machine: Machine = {
    id,
    name,
    state: "requested",
    spec: { image: "busybox", labels: { tier: "web" } },
    imageDigest: `sha256:${id}`,
    argv: ["sh"],
    isolation: "microvm",
    engine: "qemu",
    ports: [],
    createdAt: `2026-01-01T00:00:00.${id.slice(-3)}Z`,
    restarts: 0,
    notes: [],
    timings: {},
    ...over,
  };
  const workload = { argv: ["sh"], env: [], cwd: "/", user: "", tty: false, stdin: false };
  return { machine, boot: { bootOffset: 0, desired: "stopped", attempts: 0, workload, rootfsPath: "/r", stopSignal: 15 } };
}
const id = (number: number) => number.toString(16).padStart(16, "0");

describe("the store", () => {
  it("gives back what was put in, by id, name and prefix, also after it was opened again", () => {
    const first = openStore(path);
    const one = record("aaaa000000000001", "one");
    first.insertMachine(one, [{ type: "machine.created", machineId: one.machine.id }]);
    first.close();
    const again = openStore(path);
    for (const ref of ["aaaa000000000001", "one", "aaaa0"]) expect(again.machine(ref)).toEqual(one);
    expect(again.events({ limit: 10 })).toMatchObject([{ seq: 1, type: "machine.created", machineId: one.machine.id }]);
    expect(again.lastEventSeq()).toBe(1);
    again.close();
  });

  it("keeps one quota a tenant, with its event", () => {
    const store = openStore(path);
    const updatedAt = "2026-01-01T00:00:00.000Z";
    store.putQuota({ tenant: "b", weight: 1, updatedAt }, [{ type: "quota.set" }]);
    store.putQuota({ tenant: "a", weight: 2, machines: 3, updatedAt }, []);
    store.putQuota({ tenant: "b", weight: 4, updatedAt }, []);
    store.close();
    const again = openStore(path);
    expect(again.quotas().map(({ tenant, weight }) => [tenant, weight])).toEqual([
      ["a", 2],
      ["b", 4],
    ]);
    expect(again.quota("a")).toEqual({ tenant: "a", weight: 2, machines: 3, updatedAt });
    again.deleteQuota("a", []);
    expect([again.quota("a"), again.lastEventSeq()]).toEqual([undefined, 1]);
    again.close();
  });

  it("refuses a name that is taken, an ambiguous prefix and what is not there", () => {
    const store = openStore(path);
    store.insertMachine(record("aaaa000000000001", "one"), []);
    store.insertMachine(record("aaaa000000000002", "two"), []);
    expect(() => store.insertMachine(record("bbbb000000000001", "one"), [{ type: "machine.created" }])).toThrow(/belongs to machine aaaa/);
    expect(store.lastEventSeq()).toBe(0);
    expect(() => store.machine("aaaa")).toThrow(expect.objectContaining({ code: "MACHINE_AMBIGUOUS" }));
    for (const ref of ["aaa", "three", "cccc"])
      expect(() => store.machine(ref)).toThrow(expect.objectContaining({ code: "MACHINE_NOT_FOUND" }));
    store.close();
  });

  it("pages newest first and filters by state, label and name", () => {
    const store = openStore(path);
    for (let n = 1; n <= 7; n += 1) store.insertMachine(record(id(n), `m${n}`, { state: n % 2 ? "running" : "exited" }), []);
    const first = store.machines({ limit: 4 });
    const second = store.machines({ limit: 4, cursor: first.next });
    expect([...first.records, ...second.records].map(({ machine }) => machine.name)).toEqual(["m7", "m6", "m5", "m4", "m3", "m2", "m1"]);
    expect(second.next).toBeUndefined();
    expect(store.machines({ limit: 9, states: ["exited"] }).records).toHaveLength(3);
    expect(store.machines({ limit: 9, labels: [{ key: "tier", value: "web" }] }).records).toHaveLength(7);
    expect(store.machines({ limit: 9, labels: [{ key: 'a"b' }] }).records).toHaveLength(0);
    expect(store.machines({ limit: 9, name: "m3" }).records).toHaveLength(1);
    expect(() => store.machines({ limit: 4, cursor: "junk" })).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
    expect(store.counts()).toEqual({ running: 4, exited: 3 });
    store.close();
  });

  it("remembers an idempotency key for a day and refuses it for another request", () => {
    let now = 0;
    const store = openStore(path, () => now);
    store.insertMachine(record("aaaa000000000001", "one"), [], { key: "k", requestHash: "h" });
    expect(store.idempotent("k", "h")?.machine.name).toBe("one");
    expect(() => store.idempotent("k", "other")).toThrow(expect.objectContaining({ code: "IDEMPOTENCY_MISMATCH" }));
    now = 25 * 3_600_000;
    expect(store.idempotent("k", "h")).toBeUndefined();
    store.close();
  });

  it("tells listeners of events after their commit", () => {
    const store = openStore(path);
    const heard: string[] = [];
    const stop = store.onEvents((events) => heard.push(...events.map(({ type, seq }) => `${seq} ${type} ${store.lastEventSeq()}`)));
    store.appendEvents([{ type: "a" }, { type: "b" }]);
    stop();
    store.appendEvents([{ type: "c" }]);
    expect(heard).toEqual(["1 a 2", "2 b 2"]);
    expect(store.events({ limit: 2, newest: true }).map(({ type }) => type)).toEqual(["b", "c"]);
    store.close();
  });
});

describe("opening", () => {
  it("lets one daemon in at a time", () => {
    const store = openStore(path);
    expect(() => openStore(path)).toThrow(expect.objectContaining({ code: "DATA_FOLDER_LOCKED" }));
    store.close();
    openStore(path).close();
  });

  it("refuses a newer database untouched and an edited migration", () => {
    openStore(path).close();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99");
    expect(() => migrate(db, path)).toThrow(expect.objectContaining({ code: "STORE_TOO_NEW" }));
    db.exec("PRAGMA user_version = 1");
    expect(() => migrate(db, path, ["CREATE TABLE other (x)"])).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
    db.close();
  });

  it("backs a database up before it migrates it, and leaves it as it was when a step fails", () => {
    openStore(path).close();
    const db = new DatabaseSync(path);
    const first = String(db.prepare("SELECT sql FROM sqlite_master WHERE name = 'machines'").get()?.sql);
    expect(first).toContain("machines");
    db.exec("DELETE FROM migrations WHERE version > 1; PRAGMA user_version = 1");
    db.exec("UPDATE migrations SET checksum = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'");
    expect(() => migrate(db, path, ["a", "CREATE TABLE half (x); BROKEN"])).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
    expect(existsSync(`${path}.v1.bak`)).toBe(true);
    expect(db.prepare("SELECT name FROM sqlite_master WHERE name = 'half'").get()).toBeUndefined();
    db.close();
  });

  it("knows which SQLite can be trusted", () => {
    for (const good of ["3.51.3", "3.53.0", "4.0.0"]) expect(() => assertVersion(good)).not.toThrow();
    for (const bad of ["3.51.2", "3.40.1", "2.99.99"])
      expect(() => assertVersion(bad)).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
  });
});
