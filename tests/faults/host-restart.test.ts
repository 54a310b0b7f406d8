import process from "node:process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => await world[Symbol.asyncDispose]());

it("machines whose daemon and engine processes were all killed come back as their restart policies say, with their health checks", async () => {
  const run = (name: string, ...flags: string[]) =>
    world.ok(["run", "-d", "--memory", "96m", "--name", name, ...flags, "busybox", "sleep", "10000"]);
  await run("no");
  await run("failure", "--restart", "on-failure");
  await run("unless", "--restart", "unless-stopped", "--health-cmd", "true", "--health-interval", "200ms");
  await run("always", "--restart", "always");
  await run("stopped", "--restart", "unless-stopped");
  await world.ok(["stop", "-t", "0", "stopped"]);
  const pids = (await world.machines()).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  expect(pids).toHaveLength(4);
  await world.killDaemon();
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await world.ok(["daemon", "start"]);
  // Until the daemon has found out about it, a machine's state is the one that was written down.
  const states = async () => Object.fromEntries((await world.machines()).map(({ name, state, restarts }) => [name, [state, restarts]]));
  const again = ["running", 1];
  const back = { no: ["exited", 0], failure: again, unless: again, always: again, stopped: ["exited", 0] };
  await expect.poll(states).toEqual(back);
  const now = (await world.machines()).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  expect(now.filter((pid) => pids.includes(pid))).toEqual([]);
  expect((await world.isthmus.machines.get("no")).exit).toEqual({ code: 125, reason: "vmm-died" });
  const health = async () => (await world.isthmus.machines.get("unless")).health?.status;
  await expect.poll(health).toBe("healthy");
  await world.removeAll();
  expect(world.engines()).toEqual([]);
});
