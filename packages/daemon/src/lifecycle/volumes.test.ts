import type { Mount } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

const data: Mount = { type: "volume", source: "data", path: "/data" };
const reading: Mount = { ...data, readOnly: true };
const run = (name: string, ...mounts: Mount[]) => daemon.machines.create({ image: "busybox", name, mounts }, { start: true });
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: { code: string }) => error.code,
  );
const names = () => [...daemon.host.volumes.keys()];

describe("a named volume", () => {
  it("is made by the first machine that names it and stays when that is removed", async () => {
    await run("a", data);
    expect(await daemon.machines.volumes.get("data")).toMatchObject({
      anonymous: false,
      usedBy: [{ machineName: "a", path: "/data", holds: true }],
    });
    await daemon.machines.remove("a", { force: true, volumes: true });
    expect(names()).toEqual(["data"]);
  });

  it("has one writer: the second is refused with the name of the first, until that has ended", async () => {
    await run("a", data);
    const refused = run("b", data);
    await expect(refused).rejects.toMatchObject({
      code: "VOLUME_IN_USE",
      message: "volume data is in use: machine a (running) writes to it",
    });
    expect(await codeOf(run("b", reading))).toBe("VOLUME_IN_USE");
    await daemon.machines.suspend("a");
    expect(await codeOf(run("b", data))).toBe("VOLUME_IN_USE");
    await daemon.machines.resume("a");
    await daemon.machines.stop("a");
    expect(await codeOf(run("b", data))).toBe("done");
    expect(await codeOf(daemon.machines.start("a"))).toBe("VOLUME_IN_USE");
  });

  it("has many readers, and no writer meanwhile", async () => {
    await run("a", reading);
    await run("b", reading);
    expect(await codeOf(run("c", data))).toBe("VOLUME_IN_USE");
  });

  it("goes to exactly one of many that want it at once", async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, (_, index) => codeOf(run(`m${index}`, data))));
    expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(["done", "VOLUME_IN_USE"]));
    expect(daemon.host.processes.size).toBe(1);
  });

  it("is held over the death of the daemon", async () => {
    await run("a", data);
    await daemon.crash();
    expect(await codeOf(run("b", data))).toBe("VOLUME_IN_USE");
    expect(await codeOf(daemon.machines.volumes.remove("data"))).toBe("VOLUME_IN_USE");
  });

  it("is not removed while a machine names it, also one that has ended", async () => {
    await run("a", data);
    await daemon.machines.stop("a");
    await expect(daemon.machines.volumes.remove("data")).rejects.toMatchObject({ code: "VOLUME_IN_USE" });
    expect(await daemon.machines.volumes.prune({ all: true })).toEqual([]);
    await daemon.machines.remove("a");
    expect(await daemon.machines.volumes.remove("data")).toMatchObject({ name: "data" });
    expect(await codeOf(daemon.machines.volumes.get("data"))).toBe("VOLUME_NOT_FOUND");
  });

  it("keeps its machine from being saved, but for a suspension", async () => {
    await run("a", data);
    expect(await codeOf(daemon.machines.snapshots.create("a"))).toBe("MOUNTS_NOT_SAVED");
    expect(await codeOf(daemon.machines.clone({ machine: "a" }))).toBe("MOUNTS_NOT_SAVED");
  });

  it("is taken back when no machine came of the request that made it", async () => {
    await run("a");
    expect(await codeOf(run("a", data))).toBe("NAME_TAKEN");
    const bad = daemon.machines.create({ image: "busybox", mounts: [data], stopSignal: "SIGNONE" });
    expect(await codeOf(bad)).toBe("INVALID_REQUEST");
    expect(names()).toEqual([]);
  });
});

describe("an anonymous volume", () => {
  const anonymous: Mount = { type: "volume", path: "/data" };

  it("stays when its machine is removed, unless that is asked for", async () => {
    await run("a", anonymous);
    await run("b", anonymous);
    await daemon.machines.remove("a", { force: true });
    await daemon.machines.remove("b", { force: true, volumes: true });
    expect(names()).toHaveLength(1);
    await daemon.restart();
    expect(names()).toHaveLength(1);
    expect(await daemon.machines.volumes.prune()).toHaveLength(1);
    expect(names()).toEqual([]);
  });

  it.each([
    ["", undefined],
    [", also after a crash in between", "remove.after-delete"],
  ] as const)("stays when another machine names it%s", async (_when, point) => {
    await run("a", anonymous);
    const [source = ""] = names();
    await daemon.machines.stop("a");
    await run("b", { ...anonymous, source });
    daemon.crashAt = point;
    const removed = daemon.machines.remove("a", { volumes: true });
    if (point === undefined) await removed;
    else {
      removed.catch(() => undefined);
      await quiet();
      await daemon.restart();
    }
    expect(names()).toEqual([source]);
    await daemon.machines.remove("b", { force: true, volumes: true });
    expect(await daemon.machines.volumes.prune()).toMatchObject([{ name: source }]);
  });

  it("goes with a machine that is removed by itself", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", mounts: [anonymous], autoRemove: true }, { start: true });
    daemon.host.end(id, { code: 0 });
    await quiet();
    await daemon.clock.advance(60_000);
    expect([daemon.all(), names()]).toEqual([[], []]);
  });

  it.each(["create.before-insert", "remove.after-delete", "remove.before-volume"] as const)(
    "is no leftover after a crash at %s",
    async (point) => {
      daemon.crashAt = point;
      void run("a", anonymous).catch(() => undefined);
      await quiet();
      if (!daemon.dead) void daemon.machines.remove("a", { force: true, volumes: true }).catch(() => undefined);
      await quiet();
      expect(daemon.dead).toBe(true);
      await daemon.restart();
      expect([daemon.all(), names()]).toEqual([[], []]);
    },
  );
});
