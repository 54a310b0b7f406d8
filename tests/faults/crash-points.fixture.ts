import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CrashPoint } from "@isthmus/core";
import { hasCode } from "@isthmus/sdk";
import { expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const SWEEP_MS = 1_200_000;

/** Of the points that only snapshots, clones, suspend and resume come to. */
export const isOfSaving = (point: CrashPoint): boolean => /^(snapshot|clone|suspend|resume)/.test(point);

/** Of those that only volumes come to, which have sweeps of their own. */
export const isOfVolumes = (point: CrashPoint): boolean => /volume/.test(point);

/** Of those that machines on networks of the host come to, for a daemon that is root. */
export const isOfNetworks = (point: CrashPoint): boolean => point.startsWith("move");

/** Row 2 of the battery: the daemon dies before and after each side effect, once; a restart ends in "done" or "cleanly absent". */
export function converges(points: readonly CrashPoint[]): void {
  it(
    `converges after each of ${points.length} crash points`,
    async () => {
      // The daemon looks there at each point: the one that takes over from a dead one is there for the next point too.
      const crashAt = join(mkdtempSync(join(tmpdir(), "crash-at-")), "point");
      writeFileSync(crashAt, "");
      await using world = await World.start({ CRASH_AT: crashAt });
      for (const point of points) await sweep(world, point, crashAt);
      rmSync(dirname(crashAt), { recursive: true });
    },
    SWEEP_MS,
  );
}

async function sweep(world: World, point: CrashPoint, crashAt: string): Promise<void> {
  // Where nobody may wait at all, every start is too late.
  if (point.endsWith("-refused")) {
    await world.ok(["daemon", "stop"]);
    expect((await world.cli(["daemon", "start"], { env: { ISTHMUS_QUEUE_AGE: "0s" } })).code, point).toBe(0);
  }
  writeFileSync(crashAt, point);
  await provoke(world, point);
  const dead = async () => ((await world.isthmus.version().catch(() => undefined)) ? undefined : true);
  await eventually(`${point}: the daemon is dead`, dead);
  writeFileSync(crashAt, "");
  await world.ok(["daemon", "start"]);
  await eventually(`${point}: a settled verdict`, async () => {
    const machines = await world.machines();
    const engines = world.engines();
    const running = machines.filter(({ state }) => state === "running").length;
    expect(engines.length, `${point}: ${machines.map(({ state }) => state)}`).toBeLessThanOrEqual(1);
    const busy = machines.some(({ state }) => ["queued", "starting", "stopping"].includes(state));
    // One that ends shows as running until its end is written down.
    return busy || engines.length !== running ? undefined : true;
  });
  // A clone whose snapshot went with its daemon is there to say so.
  const others = (await world.machines()).filter(({ name, failure }) => name !== "m" && failure?.code !== "SNAPSHOT_NOT_FOUND");
  expect(others, point).toEqual([]);
  await expectWhole(world, point);
  await world.removeAll();
  expect(world.engines(), point).toEqual([]);
}

/** Points at which it is written down that a machine that still shows as running is to be killed, which the next daemon does. */
const KILLED: readonly CrashPoint[] = ["kill.after-mark", "kill.before-engine", "kill.after-engine"];

/** A machine goes on as if nothing had been, or ends as it was told to; what was saved is whole or not there. */
async function expectWhole(world: World, point: CrashPoint): Promise<void> {
  const find = async () => (await world.machines()).find(({ name }) => name === "m");
  if (KILLED.includes(point))
    await eventually(`${point}: the kill is finished`, async () => (await find())?.state === "exited" || undefined);
  const machine = await find();
  if (machine?.state === "suspended") await world.ok(["resume", "m"]);
  if ((await find())?.state === "running") expect(await world.ok(["exec", "m", "echo", "here"]), point).toBe("here");
  for (const { id } of await world.isthmus.snapshots.list()) {
    const [clone] = await world.isthmus.snapshots.clone(id);
    expect((await clone?.execText(["echo", "whole"]))?.stdout, point).toBe("whole\n");
    await world.isthmus.snapshots.remove(id);
  }
  const left = join(world.home, "snapshots");
  expect(existsSync(left) ? readdirSync(left) : [], point).toEqual([]);
}

/** Does what reaches the crash point; a call that fails because the daemon died must fail with a code of ours. */
async function provoke(world: World, point: CrashPoint): Promise<void> {
  const failing = point.endsWith("-failed");
  const spec = { image: "busybox", name: "m", command: ["sleep", "1000"], stopTimeoutMs: 0, ...(failing ? { user: "captain" } : {}) };
  const saved = [
    () => world.isthmus.snapshots.create("m", { name: "s" }),
    () => world.isthmus.machines.clone("m", { name: "c" }),
    () => world.isthmus.machines.remove("c", { force: true }),
    () => world.isthmus.machines.suspend("m"),
    () => (point.endsWith("-exited") ? world.isthmus.machines.kill("m") : world.isthmus.machines.resume("m")),
  ];
  const steps = [
    () => world.isthmus.machines.create(spec, { start: false }),
    () => world.isthmus.machines.start("m"),
    ...(isOfSaving(point) ? saved : []),
    () => (point.startsWith("kill") ? world.isthmus.machines.kill("m") : world.isthmus.machines.stop("m")),
    () => world.isthmus.machines.remove("m"),
  ];
  for (const step of steps) {
    const outcome = await step().then(
      () => "done",
      (error: unknown) => (hasCode(error) ? error.code : `${point}: ${String(error)}`),
    );
    expect(outcome).toMatch(/^([A-Z_]+|done)$/);
    if (outcome !== "done") return;
  }
}
