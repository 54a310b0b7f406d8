import { crashPoints } from "@isthmus/core";
import { hasCode } from "@isthmus/sdk";
import { describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

/** Row 2 of the battery: the daemon dies before and after each side effect, once; a restart ends in "done" or "cleanly absent". */
describe("a daemon that dies at a side effect", () => {
  it(`converges after each of ${crashPoints.length} crash points`, async () => {
    await using world = await World.start();
    await world.ok(["daemon", "stop"]);
    for (const point of crashPoints) {
      const crashing = await world.cli(["daemon", "start"], { env: { CRASH_AT: point } });
      expect(crashing.code, point).toBe(0);
      const settle = async (action: () => Promise<unknown>) =>
        await action().catch((error: unknown) => expect(hasCode(error), `${point}: ${String(error)}`).toBe(true));
      await settle(async () => {
        const machine = await world.isthmus.machines.create(
          { image: "busybox", name: "m", command: ["sleep", "1000"], stopTimeoutMs: 0 },
          { start: true },
        );
        if (point.startsWith("kill")) await world.isthmus.machines.kill(machine.id);
        else await world.isthmus.machines.stop(machine.id);
        await world.isthmus.machines.remove(machine.id);
      });
      await eventually(
        `${point}: the daemon is dead`,
        async () => ((await world.isthmus.version().catch(() => undefined)) ? undefined : true),
        10_000,
      );
      await world.ok(["daemon", "start"]);
      const state = await eventually(`${point}: a settled verdict`, async () => {
        const [machine, ...more] = await world.machines();
        expect(more).toEqual([]);
        if (!machine) return "absent";
        return ["queued", "starting", "stopping"].includes(machine.state) ? undefined : machine.state;
      });
      expect(world.engines().length, `${point}: ${state}`).toBe(state === "running" ? 1 : 0);
      await world.removeAll();
      expect(world.engines(), point).toEqual([]);
      await world.ok(["daemon", "stop"]);
    }
    await world.ok(["daemon", "start"]);
  });
});
