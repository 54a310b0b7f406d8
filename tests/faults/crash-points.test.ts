import { crashPoints } from "@isthmus/core";
import { hasCode } from "@isthmus/sdk";
import { describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const SWEEP_MS = 600_000;

/** Row 2 of the battery: the daemon dies before and after each side effect, once; a restart ends in "done" or "cleanly absent". */
describe("a daemon that dies at a side effect", () => {
  it(
    `converges after each of ${crashPoints.length} crash points`,
    async () => {
      await using world = await World.start();
      await world.ok(["daemon", "stop"]);
      for (const point of crashPoints) await sweep(world, point);
      await world.ok(["daemon", "start"]);
    },
    SWEEP_MS,
  );
});

async function sweep(world: World, point: string): Promise<void> {
  expect((await world.cli(["daemon", "start"], { env: { CRASH_AT: point } })).code, point).toBe(0);
  await provoke(world, point);
  const dead = async () => ((await world.isthmus.version().catch(() => undefined)) ? undefined : true);
  await eventually(`${point}: the daemon is dead`, dead);
  await world.ok(["daemon", "start"]);
  await eventually(`${point}: a settled verdict`, async () => {
    const [machine, ...more] = await world.machines();
    expect(more).toEqual([]);
    const engines = world.engines();
    expect(engines.length, `${point}: ${machine?.state}`).toBeLessThanOrEqual(1);
    const busy = machine && ["queued", "starting", "stopping"].includes(machine.state);
    // A kill that the crash cut short is finished a moment after the machine was taken up.
    return busy || engines.length !== (machine?.state === "running" ? 1 : 0) ? undefined : true;
  });
  await world.removeAll();
  expect(world.engines(), point).toEqual([]);
  await world.ok(["daemon", "stop"]);
}

/** Does what reaches the crash point; a call that fails because the daemon died must fail with a code of ours. */
async function provoke(world: World, point: string): Promise<void> {
  const failing = point.endsWith("-failed");
  const spec = { image: "busybox", name: "m", command: ["sleep", "1000"], stopTimeoutMs: 0, ...(failing ? { user: "captain" } : {}) };
  const steps = [
    () => world.isthmus.machines.create(spec, { start: false }),
    () => world.isthmus.machines.start("m"),
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
