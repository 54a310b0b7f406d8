import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const MACHINES = Number(process.env.MACHINES ?? 10);
const KILLS = Number(process.env.N ?? 20);
/** The workload counts until a file appears, then ends with a code of its own. */
const count = (code: number) => `i=0; while [ ! -e /stop ]; do echo line $i; i=$((i+1)); usleep 200000; done; echo last $i; exit ${code}`;

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => await world[Symbol.asyncDispose]());

describe("a daemon that is killed again and again", () => {
  it(`keeps ${MACHINES} machines running through ${KILLS} kills: same processes, whole logs, exit codes kept`, async () => {
    const ids: string[] = [];
    for (let n = 0; n < MACHINES; n += 1) ids.push(await world.ok(["run", "-d", "--memory", "96m", "busybox", "sh", "-c", count(n)]));
    const pids = (await world.machines()).map(({ id, pid }) => `${id} ${pid}`).sort();
    const seed = Number(process.env.SEED ?? 1);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await sleep((seed * 7919 + kill * 104_729) % 300);
      await world.killDaemon();
      await world.ok(["daemon", "start"]);
    }
    const after = await world.machines();
    expect(after.map(({ id, pid }) => `${id} ${pid}`).sort(), `seed ${seed}`).toEqual(pids);
    expect(after.map(({ state, restarts }) => `${state} ${restarts}`)).toEqual(ids.map(() => "running 0"));
    expect(world.engines()).toHaveLength(MACHINES);

    for (const id of ids) await world.isthmus.machines.handle(id).execText(["touch", "/stop"]);
    for (const [n, id] of ids.entries()) {
      expect((await world.cli(["wait", id])).text).toBe(String(n));
      const lines = (await world.ok(["logs", id])).split("\n");
      expect(lines).toEqual([...lines.slice(0, -1).map((_, index) => `line ${index}`), `last ${lines.length - 1}`]);
      expect(lines.length).toBeGreaterThan(10);
    }
    await world.removeAll();
  });

  it("learns of an exit that happened while no daemon ran", async () => {
    const id = await world.ok(["run", "-d", "busybox", "sh", "-c", "sleep 2; echo bye; exit 42"]);
    await world.killDaemon();
    await eventually("the engine process ends", async () => (world.engines().length === 0 ? true : undefined));
    await world.ok(["daemon", "start"]);
    expect((await world.cli(["wait", id])).text).toBe("42");
    expect(await world.ok(["logs", id])).toBe("bye");
    await world.removeAll();
  });

  it("removes the orphans of dead machines and never a live one's", async () => {
    const id = await world.ok(["run", "-d", "busybox", "sleep", "1000"]);
    const [pid] = world.engines();
    await world.killDaemon();
    process.kill(pid ?? 0, "SIGKILL");
    const other = await eventually("it is gone", async () => (world.engines().length === 0 ? true : undefined));
    expect(other).toBe(true);
    await world.ok(["daemon", "start"]);
    const machine = await world.isthmus.machines.get(id);
    expect([machine.state, machine.exit?.reason]).toEqual(["exited", "vmm-died"]);
    await world.removeAll();
  });
});
