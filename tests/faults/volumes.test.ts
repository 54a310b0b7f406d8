import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { CrashPoint } from "@isthmus/core";
import { hasCode } from "@isthmus/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { mayMount } from "../leaks/tmpfs.ts";
import { soak } from "../seeded.ts";
import { eventually, World } from "../world.ts";
import { SmallDisk, waitsForRoom } from "./small-disk.fixture.ts";

const data = { type: "volume", source: "data", path: "/data" } as const;
const anonymous = { type: "volume", path: "/data" } as const;

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => (hasCode(error) ? error.code : String(error)),
  );
const left = (world: World) => readdirSync(join(world.home, "volumes")).sort();

describe("volumes under a daemon that dies", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
  });
  afterEach(async () => {
    await world.removeAll();
    await world.isthmus.volumes.prune({ all: true });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const spec = (name: string, mount: typeof data | typeof anonymous = data) => ({
    image: "busybox",
    name,
    command: ["sleep", "1000"],
    mounts: [mount],
  });

  /** The daemon dies at `point` while it does `work`; another one takes its place. */
  async function crashing(point: CrashPoint, work: () => Promise<unknown>): Promise<void> {
    await world.ok(["daemon", "stop"]);
    expect((await world.cli(["daemon", "start"], { env: { CRASH_AT: point } })).code).toBe(0);
    expect(await codeOf(work()), point).toMatch(/^[A-Z_]+$/);
    await eventually(`${point}: the daemon is dead`, async () =>
      (await world.isthmus.version().catch(() => undefined)) ? undefined : true,
    );
    await world.ok(["daemon", "start"]);
  }

  it("are there whole or not at all when they were being made or removed", async () => {
    await crashing("volume.before-create", () => world.isthmus.volumes.create({ name: "data" }));
    expect(await world.isthmus.volumes.list()).toEqual([]);
    await crashing("volume.after-create", () => world.isthmus.volumes.create({ name: "data" }));
    expect(left(world)).toEqual(["data"]);
    await crashing("volume.before-remove", () => world.isthmus.volumes.remove("data"));
    expect(left(world)).toEqual(["data"]);
    await crashing("volume.after-remove", () => world.isthmus.volumes.remove("data"));
    expect(left(world)).toEqual([]);
  });

  it.runIf(soak)("stay with the machine that was being started, which goes on, and keep what was written", async () => {
    await world.isthmus.volumes.create({ name: "data" });
    const points = ["start.after-engine", "start.before-engine", "start.before-starting"] as const;
    for (const point of points) {
      await crashing(point, () => world.isthmus.machines.run(spec("m")));
      await world.isthmus.machines.handle("m").waitFor("running");
      expect(await codeOf(world.isthmus.machines.run(spec("other"))), point).toBe("VOLUME_IN_USE");
      await world.ok(["exec", "m", "sh", "-c", `echo ${point} >> /data/log`]);
      await world.ok(["rm", "-f", "m"]);
    }
    expect(await world.ok(["run", "--rm", "-v", "data:/data:ro", "busybox", "cat", "/data/log"])).toBe(points.join("\n"));
  });

  it.runIf(soak)("do not outlive the machine that they go with", async () => {
    await crashing("create.before-insert", () => world.isthmus.machines.create(spec("m", anonymous), { start: false }));
    for (const point of ["remove.after-delete", "remove.before-volume"] as const) {
      await world.isthmus.machines.create(spec("m", anonymous), { start: false });
      await crashing(point, () => world.isthmus.machines.remove("m", { volumes: true }));
      await eventually("leftovers go", async () => (left(world).length === 0 ? true : undefined));
    }
  });

  it("go to one of the machines that want them at once", async () => {
    const outcomes = await Promise.all(["a", "b", "c"].map((name) => codeOf(world.isthmus.machines.run(spec(name)))));
    expect(outcomes.sort()).toEqual(["VOLUME_IN_USE", "VOLUME_IN_USE", "done"]);
    expect(world.engines()).toHaveLength(1);
    expect(await codeOf(world.isthmus.volumes.remove("data"))).toBe("VOLUME_IN_USE");
  });

  it("lose nothing that was synced when the engine of their machine is killed", async () => {
    await world.isthmus.machines.run(spec("m"));
    await world.ok(["exec", "m", "sh", "-c", "echo synced > /data/file; sync"]);
    for (const pid of world.engines()) process.kill(pid, "SIGKILL");
    await world.isthmus.machines.handle("m").waitFor("exited");
    // A reader finds the journal of a guest that never unmounted.
    expect(await world.ok(["run", "--rm", "-v", "data:/data:ro", "busybox", "cat", "/data/file"])).toBe("synced");
    expect(await world.ok(["start", "m"])).toBe("m");
    expect(await world.ok(["exec", "m", "cat", "/data/file"])).toBe("synced");
  });
});

describe.runIf(mayMount())("volumes on a full disk", () => {
  let world: World;
  const disk = new SmallDisk("volumes-small", 400);

  afterAll(async () => {
    await world.removeAll();
    await world.ok(["daemon", "stop"]);
    disk.unmount();
    await world[Symbol.asyncDispose]();
  });

  it("are refused whole, and a guest that finds no room goes on when there is some", async () => {
    world = await World.start({}, (home) => disk.mount(home));
    await world.ok(["run", "-d", "--name", "m", "-v", "data:/data", "busybox", "sleep", "1000"]);
    const filler = join(world.home, "filler");
    try {
      execFileSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=4096", "status=none"], { stdio: "ignore" });
    } catch {
      // Full is what it should be.
    }
    expect(await codeOf(world.isthmus.volumes.create({ name: "more" }))).toBe("DISK_FULL");
    expect(left(world)).toEqual(["data"]);
    const writing = world.cli(["exec", "m", "sh", "-c", "head -c 20000000 /dev/urandom > /data/file; sync; wc -c < /data/file"]);
    expect(await waitsForRoom(writing)).toBe(true);
    rmSync(filler);
    expect((await writing).text).toBe("20000000");
    expect(await codeOf(world.isthmus.volumes.create({ name: "more" }))).toBe("done");
  });
});
