import { IsthmusError } from "@isthmus/contract";
import { openDoor } from "@isthmus/door-http/testing";
import { describe, expect, it } from "vitest";
import { Isthmus } from "./mod.ts";

async function setUp() {
  const open = await openDoor();
  const isthmus = new Isthmus({ socketPath: open.socketPath });
  return {
    ...open,
    isthmus,
    async [Symbol.asyncDispose]() {
      isthmus.close();
      await open[Symbol.asyncDispose]();
    },
  };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: unknown) => (error instanceof IsthmusError ? error.code : String(error)),
  );

describe("snapshots", () => {
  it("are taken of a machine or by its name, listed, shown and removed", async () => {
    await using t = await setUp();
    const { snapshots } = t.isthmus;
    await using machine = await t.isthmus.machines.run({ image: "busybox", name: "web" });
    const named = await machine.snapshot({ name: "before" });
    expect(named).toMatchObject({ name: "before", machineId: machine.id });
    const unnamed = await snapshots.create("web");
    const third = await t.isthmus.machines.snapshot("web", { name: "a.b-c_d" });
    expect(await snapshots.list()).toEqual([third, unnamed, named]);
    expect(await snapshots.get("a.b-c_d")).toEqual(third);
    expect(await snapshots.remove(unnamed.id)).toEqual(unnamed);
    expect(await codeOf(snapshots.get(unnamed.id))).toBe("SNAPSHOT_NOT_FOUND");
    expect(await codeOf(snapshots.get("../machines"))).toBe("SNAPSHOT_NOT_FOUND");
    expect(await codeOf(machine.snapshot({ name: "before" }))).toBe("SNAPSHOT_NAME_TAKEN");
    expect(await codeOf(snapshots.create("nobody"))).toBe("MACHINE_NOT_FOUND");
  });

  it("are cloned from, and the clones go when their scope ends", async () => {
    await using t = await setUp();
    const machine = await t.isthmus.machines.run({ image: "busybox" });
    await machine.snapshot({ name: "before" });
    const clones = await t.isthmus.snapshots.clone("before", { count: 2, name: "copy" });
    expect(clones.map(({ name }) => name)).toEqual(["copy-1", "copy-2"]);
    {
      await using first = clones[0];
      expect(await first?.inspect()).toMatchObject({ name: "copy-1", clonedFrom: "before", startedFrom: "snapshot" });
    }
    expect([...t.deps.machines.entries.values()].map((entry) => entry.machine.name)).toEqual([machine.name, "copy-2"]);
    expect(await codeOf(t.isthmus.snapshots.clone("nothing"))).toBe("SNAPSHOT_NOT_FOUND");
    expect(await codeOf(t.isthmus.snapshots.clone("before", { count: 0 }))).toBe("INVALID_REQUEST");
  });
});

describe("a running machine", () => {
  it("is cloned with ports of the clone's own", async () => {
    await using t = await setUp();
    const machine = await t.isthmus.machines.run({ image: "busybox", name: "web" });
    const ports = [{ guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" as const }];
    const [clone] = await machine.clone({ name: "twin", ports });
    expect(clone?.info).toMatchObject({ name: "twin", clonedFrom: "web", ports });
    expect(await t.isthmus.machines.clone("web", { count: 3 })).toHaveLength(3);
    expect((await machine.inspect()).state).toBe("running");
  });

  it("is suspended, stays in the list, and is resumed", async () => {
    await using t = await setUp();
    const machine = await t.isthmus.machines.run({ image: "busybox", idleSuspendMs: 60_000, resumeOnContact: true });
    expect(await machine.suspend()).toMatchObject({ state: "suspended", suspendedAt: expect.any(String) });
    expect((await t.isthmus.machines.page()).machines).toHaveLength(1);
    const refused = [machine.suspend(), machine.exec(["true"]), machine.clone(), machine.snapshot()].map(codeOf);
    expect(new Set(await Promise.all(refused))).toEqual(new Set(["STATE_CONFLICT"]));
    expect(await t.isthmus.machines.resume(machine.id)).toMatchObject({ state: "running", startedFrom: "suspension" });
    expect((await t.isthmus.machines.suspend(machine.id)).state).toBe("suspended");
    expect((await machine.resume()).state).toBe("running");
    expect(await codeOf(machine.resume())).toBe("STATE_CONFLICT");
  });

  it("is left alone by a call whose signal was aborted before", async () => {
    await using t = await setUp();
    const machine = await t.isthmus.machines.run({ image: "busybox" });
    const signal = AbortSignal.abort();
    const refused = [machine.snapshot({ signal }), machine.clone({ signal }), machine.suspend({ signal })].map(codeOf);
    expect(await Promise.all(refused)).toEqual(["CANCELLED", "CANCELLED", "CANCELLED"]);
    expect([(await machine.inspect()).state, t.deps.machines.entries.size, t.deps.machines.snapshots.entries.length]).toEqual([
      "running",
      1,
      0,
    ]);
  });
});
