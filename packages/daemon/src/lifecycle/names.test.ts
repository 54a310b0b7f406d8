import { IsthmusError } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: unknown) => (error instanceof IsthmusError ? error.code : String(error)),
  );

async function events(options: Parameters<FakeDaemon["machines"]["events"]>[0]): Promise<string[]> {
  const found: string[] = [];
  for await (const { type, machineName } of daemon.machines.events(options)) found.push(`${type} ${machineName ?? ""}`);
  return found;
}

describe("renaming a machine", () => {
  it("keeps its id and its process, also in the next daemon, and tells of the name that it had", async () => {
    const { id, pid } = await daemon.machines.create({ image: "busybox", name: "old" }, { start: true });
    expect(await daemon.machines.rename("old", "new")).toMatchObject({ id, name: "new", state: "running", spec: { name: "new" } });
    expect(() => daemon.machines.get("old")).toThrow(expect.objectContaining({ code: "MACHINE_NOT_FOUND" }));
    await daemon.crash();
    expect(daemon.machines.get("new")).toMatchObject({ id, pid, state: "running" });
    expect(await events({ types: ["renamed"] })).toEqual(["machine.renamed new"]);
    await daemon.machines.create({ image: "busybox", name: "old" });
    expect((await daemon.machines.stop("new")).name).toBe("new");
  });

  it("refuses names that are taken or none, and takes its own for done", async () => {
    await daemon.machines.create({ image: "busybox", name: "one" });
    await daemon.machines.create({ image: "busybox", name: "two" });
    expect(await code(daemon.machines.rename("one", "two"))).toBe("NAME_TAKEN");
    expect(await code(daemon.machines.rename("one", "a b"))).toBe("INVALID_NAME");
    expect(await code(daemon.machines.rename("three", "four"))).toBe("MACHINE_NOT_FOUND");
    expect((await daemon.machines.rename("one", "one")).name).toBe("one");
    const both = await Promise.all([code(daemon.machines.rename("one", "same")), code(daemon.machines.rename("two", "same"))]);
    expect(both.toSorted()).toEqual(["NAME_TAKEN", "no error"]);
    expect(await events({ types: ["renamed"] })).toEqual(["machine.renamed same"]);
  });
});

describe("filters", () => {
  it("find machines by what an image's name means now or meant then, and by other machines' age", async () => {
    for (const [name, image] of [
      ["a", "busybox"],
      ["b", "busybox:latest"],
      ["c", "busybox"],
    ] as const) {
      await daemon.machines.create({ image, name });
      await daemon.clock.advance(10);
    }
    const names = async (query: object) => (await daemon.machines.list({ limit: 9, ...query })).machines.map(({ name }) => name);
    expect(await names({ ancestors: ["busybox:latest"] })).toEqual(["c", "b", "a"]);
    expect(await names({ ancestors: ["missing"] })).toEqual([]);
    expect([await names({ before: "b" }), await names({ since: "b" })]).toEqual([["a"], ["c"]]);
    expect(await code(daemon.machines.list({ limit: 9, before: "nobody" }))).toBe("MACHINE_NOT_FOUND");
  });

  it("end the following of events at the time until which was asked", async () => {
    await daemon.machines.create({ image: "busybox", name: "a", labels: { team: "x" } });
    const until = new Date(daemon.clock.now() + 1000).toISOString();
    const followed = events({ follow: true, until, labels: [{ key: "team" }] });
    await daemon.machines.create({ image: "busybox", name: "b" });
    await daemon.machines.rename("a", "c");
    await daemon.clock.advance(1000);
    expect(await followed).toEqual(["machine.renamed c"]);
    const past = new Date(daemon.clock.now() - 1).toISOString();
    expect(await events({ follow: true, since: new Date(0).toISOString(), until: past })).toHaveLength(3);
  });
});
