import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasCode } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mayMount } from "../leaks/tmpfs.ts";
import { Chance, size } from "../seeded.ts";
import { eventually, World } from "../world.ts";
import { SmallDisk, waitsForRoom } from "./small-disk.fixture.ts";

const DISK_MIB = 300;
const MIB = 1024 * 1024;
const LINE = "0123456789".repeat(6);
const ROUNDS = size(1, 20);
const ROUND_DEADLINE_MS = 600_000;
const ROOM_MAX_BYTES = 40 * MIB;
const FULL = /no room|disk is full|No space left/i;

const chance = new Chance();
const disk = new SmallDisk("full-disk", DISK_MIB);
let world: World;

const filler = () => join(world.home, "filler");

/** To the last byte. */
function fill(): void {
  const file = openSync(filler(), "a");
  for (let size = MIB; size > 0; ) {
    try {
      writeSync(file, Buffer.alloc(size, 1));
    } catch {
      size = Math.floor(size / 2);
    }
  }
  try {
    fsyncSync(file);
  } catch {
    // Full is what it should be.
  }
  closeSync(file);
}

/** Machines that write no disk. */
const start = (name: string, script: string) => world.ok(["run", "-d", "--read-only", "--name", name, "busybox", "sh", "-c", script]);
const linesOf = async (name: string) => (await world.ok(["logs", name])).split("\n");

describe.runIf(mayMount())("a full disk under running machines", () => {
  beforeAll(async () => {
    world = await World.start({}, (home) => disk.mount(home));
    await start("talker", `i=0; while :; do echo line $i ${LINE}; i=$((i+1)); usleep 5000; done`);
    await start("idle", "sleep 100000");
    await start("other", "trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done");
    await world.ok(["run", "-d", "--name", "writer", "--disk", "64m", "busybox", "sleep", "100000"]);
    // Takes whatever room comes free before anybody else does.
    await start("greedy", "yes");
    fill();
  });

  afterAll(async () => {
    rmSync(filler(), { force: true });
    await world.removeAll();
    await world.ok(["daemon", "stop"]);
    disk.unmount();
    await world[Symbol.asyncDispose]();
  });

  it("lets nothing new come, and machines be listed, read, entered, stopped and removed", async () => {
    const refused = await world.isthmus.machines.create({ image: "busybox", command: ["true"] }).catch((error: unknown) => error);
    expect(hasCode(refused, "DISK_FULL")).toBe(true);
    expect((await world.ok(["ps", "-q"])).split("\n")).toHaveLength(5);
    expect((await linesOf("talker")).length).toBeGreaterThan(1);
    expect(await world.ok(["exec", "idle", "echo", "here"])).toBe("here");
    await world.ok(["stop", "other"]);
    expect(await world.ok(["wait", "other"])).toBe("7");
    await world.ok(["rm", "other"]);
    expect(await world.ok(["ps", "-aq", "--filter", "name=other"])).toBe("");
  });

  it("lets a daemon start that takes the machines up", async () => {
    fill();
    const pids = world.engines().sort();
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect(await world.ok(["exec", "idle", "echo", "here"])).toBe("here");
    expect(world.engines().sort()).toEqual(pids);
    await world.ok(["kill", "greedy"]);
    expect(await world.ok(["wait", "greedy"])).toBe("137");
  });

  it("loses no output of a machine that waited: it is kept again when there is room, whole and in order", async () => {
    fill();
    const before = (await linesOf("talker")).length;
    rmSync(filler());
    await eventually("the talker goes on", async () => ((await linesOf("talker")).length > before + 100 ? true : undefined));
    const lines = await linesOf("talker");
    expect(lines.slice(0, -1)).toEqual(lines.slice(0, -1).map((_, index) => `line ${index} ${LINE}`));
    expect(await world.ok(["run", "--rm", "busybox", "echo", "again"])).toBe("again");
  });

  it("stops a guest whose disk finds no room, and lets it go on when there is room again", async () => {
    fill();
    const writing = world.cli(["exec", "writer", "sh", "-c", "head -c 20000000 /dev/urandom > /file; sync; wc -c < /file"]);
    expect(await waitsForRoom(writing)).toBe(true);
    rmSync(filler());
    expect((await writing).text).toBe("20000000");
    expect(await world.ok(["exec", "writer", "echo", "here"])).toBe("here");
  });

  it(`refuses what finds no room, whenever it runs out, ${ROUNDS} times, SEED=${chance.seed}`, {
    timeout: ROUNDS * ROUND_DEADLINE_MS,
  }, async () => {
    const layer = join(tmpdir(), "layer.tar");
    execFileSync("tar", ["-cf", layer, "-C", "/bin", "busybox"]);
    for (let round = 0; round < ROUNDS; round += 1) {
      fill();
      const filled = statSync(filler()).size;
      truncateSync(filler(), Math.max(0, filled - chance.int(ROOM_MAX_BYTES)));
      const attempts = [
        ["image", "import", layer, `tried:${round}`],
        ["run", "-d", "--disk", "64m", "--name", `tried-${round}`, "busybox", "sh", "-c", "head -c 5000000 /dev/urandom > /f; sleep 1000"],
        ["volume", "create", `tried-${round}`],
        ["snapshot", "create", "idle", "--name", `tried-${round}`],
      ];
      for (const args of attempts) {
        const { code, stderr } = await world.cli(args);
        expect([code, stderr], args.join(" ")).toEqual([expect.any(Number), code === 0 ? expect.any(String) : expect.stringMatching(FULL)]);
      }
      await world.cli(["rm", "-f", "-v", `tried-${round}`]);
      expect(await world.ok(["exec", "idle", "echo", "here"])).toBe("here");
      rmSync(filler());
      for (const args of [
        ["volume", "rm", `tried-${round}`],
        ["snapshot", "rm", `tried-${round}`],
        ["image", "rm", `tried:${round}`],
      ])
        await world.cli(args);
      expect(await world.ok(["run", "--rm", "busybox", "echo", "again"])).toBe("again");
      expect(readdirSync(join(world.home, "images/tmp"))).toEqual([]);
    }
    rmSync(layer);
  });
});
