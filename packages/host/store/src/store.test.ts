import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Machine } from "@isthmus/contract";
import type { EventQuery, MachineQuery, MachineRecord } from "@isthmus/core";
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

  it("gives the events of licences alone, the first or the last, oldest first", () => {
    const store = openStore(path);
    store.appendEvents(["licence.taken", "machine.x", "licence.returned", "licence.taken"].map((type) => ({ type })));
    const seqs = (query: Omit<Parameters<typeof store.licenceEvents>[0], "limit">) =>
      store.licenceEvents({ ...query, limit: 2 }).map(({ seq }) => seq);
    expect([seqs({}), seqs({ newest: true }), seqs({ afterSeq: 3 }), seqs({ newest: true, afterSeq: 3 })]).toEqual([
      [1, 3],
      [3, 4],
      [4],
      [4],
    ]);
    store.close();
  });

  it("gives back what was last committed, also after a change that came to nothing", () => {
    const store = openStore(path);
    const [one, two] = [record(id(1), "one"), record(id(2), "two")];
    for (const each of [one, two]) store.insertMachine(each, []);
    expect(store.machine(id(1))).toEqual(one);
    const renamed = { ...one, machine: { ...one.machine, name: "two", restarts: 7 } };
    expect(() => store.updateMachine(renamed, [])).toThrow();
    expect(store.machine(id(1))).toEqual(one);
    store.updateMachine({ ...one, machine: { ...one.machine, restarts: 3 } }, []);
    expect([store.machine(id(1)).machine.restarts, store.machine("one").machine.restarts]).toEqual([3, 3]);
    store.deleteMachine(id(1), []);
    expect(() => store.machine(id(1))).toThrow(expect.objectContaining({ code: "MACHINE_NOT_FOUND" }));
    store.close();
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
    expect(store.machines({ limit: 9, names: ["m3"] }).records).toHaveLength(1);
    expect(() => store.machines({ limit: 4, cursor: "junk" })).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
    expect(store.counts()).toEqual({ running: 4, exited: 3 });
    store.close();
  });

  it("filters machines by image, exit code, id, volume and place in the order of their making", () => {
    const store = openStore(path);
    const exited = { state: "exited" as const, exit: { code: 3 } };
    store.insertMachine(record("aa00000000000001", "one", exited), []);
    store.insertMachine(
      record("ab00000000000002", "two", { spec: { image: "web:latest", mounts: [{ type: "volume", source: "data", path: "/d" }] } }),
      [],
    );
    store.insertMachine(record("ab00000000000003", "three", { exit: { code: 3 } }), []);
    const names = (query: Omit<MachineQuery, "limit">) => store.machines({ limit: 9, ...query }).records.map(({ machine }) => machine.name);
    expect(names({ images: [{ names: ["web", "web:latest"] }] })).toEqual(["two"]);
    expect(names({ images: [{ names: ["no"], digest: "sha256:aa00000000000001" }, { names: ["web:latest"] }] })).toEqual(["two", "one"]);
    expect(names({ exitCodes: [0, 3] })).toEqual(["one"]);
    expect(names({ ids: ["ab"] })).toEqual(["three", "two"]);
    expect(names({ names: ["on", "hre"] })).toEqual(["three", "one"]);
    for (const volume of ["data", "/d"]) expect(names({ volumes: [volume] })).toEqual(["two"]);
    const { machine } = store.machine("two");
    expect([names({ before: machine }), names({ after: machine })]).toEqual([["one"], ["three"]]);
    expect([names({ names: [] }), names({ before: machine, exitCodes: [4] })]).toEqual([[], []]);
    store.close();
  });

  it("filters events by type, kind, image and label, also those of a machine that is gone", () => {
    let now = 0;
    const store = openStore(path, () => now);
    const one = record("aa00000000000001", "one");
    const event = (type: string) => ({ type, machineId: one.machine.id });
    store.insertMachine(one, [event("machine.created")]);
    store.appendEvents([{ type: "image.created" }]);
    now = 1000;
    store.deleteMachine(one.machine.id, [event("machine.removed")]);
    const types = (filter: Omit<EventQuery, "limit">) => store.events({ limit: 9, ...filter }).map(({ type }) => type);
    expect(types({ types: ["created"] })).toEqual(["machine.created", "image.created"]);
    expect(types({ types: ["machine.created", "removed"], kinds: ["machine"] })).toEqual(["machine.created", "machine.removed"]);
    expect(types({ kinds: ["image", "volume"] })).toEqual(["image.created"]);
    expect(types({ images: ["busybox"] })).toEqual(["machine.created", "machine.removed"]);
    expect(types({ labels: [{ key: "tier", value: "web" }], types: ["removed"] })).toEqual(["machine.removed"]);
    expect(types({ labels: [{ key: "tier" }, { key: "other" }] })).toEqual([]);
    expect(types({ untilIso: new Date(999).toISOString() })).toEqual(["machine.created", "image.created"]);
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
