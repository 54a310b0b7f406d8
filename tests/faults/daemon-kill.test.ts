import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chance, size } from "../seeded.ts";
import { eventually, World } from "../world.ts";

const MACHINES = 12;
/** Row 4 of the battery: idle ones, for 50 that work are more than a host of two processors can emulate. */
const IDLE_MACHINES = 50;
const IDLE_KILLS = 5;
const KILLS = size(20, 100);
const AT_ONCE = 3;
const DEADLINE_MS = 1_800_000;
const chance = new Chance();
/** The workload counts until a file appears, then ends with a code of its own. */
const count = (code: number) => `i=0; while [ ! -e /stop ]; do echo line $i; i=$((i+1)); usleep 200000; done; echo last $i; exit ${code}`;

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => await world[Symbol.asyncDispose]());

describe("a daemon that is killed again and again", () => {
  const title = `keeps ${MACHINES} machines running through ${KILLS} kills: same processes, whole logs, exit codes kept, SEED=${chance.seed}`;
  it(title, { timeout: DEADLINE_MS }, async () => {
    const ids: string[] = [];
    while (ids.length < MACHINES) {
      const batch = Array.from({ length: Math.min(AT_ONCE, MACHINES - ids.length) }, (_, index) => count(ids.length + index));
      const args = ["run", "-d", "--memory", "96m", "busybox", "sh", "-c"];
      ids.push(...(await Promise.all(batch.map((script) => world.ok([...args, script])))));
    }
    const pids = (await world.machines()).map(({ id, pid }) => `${id} ${pid}`).sort();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await sleep(chance.int(300));
      await world.killDaemon();
      await world.ok(["daemon", "start"]);
    }
    const answers = await Promise.all(ids.map((id) => world.isthmus.machines.handle(id).execText(["echo", id])));
    expect(answers.map(({ stdout }) => stdout.trim())).toEqual(ids);
    const after = await world.machines();
    expect(after.map(({ id, pid }) => `${id} ${pid}`).sort()).toEqual(pids);
    expect(after.map(({ state, restarts }) => `${state} ${restarts}`)).toEqual(ids.map(() => "running 0"));
    expect(world.engines()).toHaveLength(MACHINES);
    console.log(`taken up again, ${MACHINES} machines, ms: ${adoptions(MACHINES).join(" ")}`);

    for (const id of ids) await world.isthmus.machines.handle(id).execText(["touch", "/stop"]);
    for (const [n, id] of ids.entries()) {
      expect((await world.cli(["wait", id])).text).toBe(String(n));
      const lines = (await world.ok(["logs", id])).split("\n");
      expect(lines).toEqual([...lines.slice(0, -1).map((_, index) => `line ${index}`), `last ${lines.length - 1}`]);
      expect(lines.length).toBeGreaterThan(10);
    }
    await world.removeAll();
  });

  it.runIf(process.env.SOAK === "1")(`takes up ${IDLE_MACHINES} idle machines`, { timeout: DEADLINE_MS }, async () => {
    for (let count = 0; count < IDLE_MACHINES; count += 1) await world.ok(["run", "-d", "--memory", "96m", "busybox", "sleep", "100000"]);
    const pids = (await world.machines()).map(({ id, pid }) => `${id} ${pid}`);
    for (let kill = 0; kill < IDLE_KILLS; kill += 1) {
      await world.killDaemon();
      await world.ok(["daemon", "start"]);
      await eventually("all have their verdict", async () => (adoptions(IDLE_MACHINES).length > kill ? true : undefined));
    }
    const after = await world.machines();
    expect(after.map(({ id, pid }) => `${id} ${pid}`)).toEqual(pids);
    expect(new Set(after.map(({ state, restarts, notes }) => `${state} ${restarts} ${notes.join()}`))).toEqual(new Set(["running 0 "]));
    console.log(`taken up again, ${IDLE_MACHINES} idle machines, ms: ${adoptions(IDLE_MACHINES).join(" ")}`);
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
    const machine = await eventually("its verdict", async () => {
      const found = await world.isthmus.machines.get(id);
      return found.state === "running" ? undefined : found;
    });
    expect([machine.state, machine.exit?.reason]).toEqual(["exited", "vmm-died"]);
    await world.removeAll();
  });
});

/** How long each daemon took, as it says itself, from its start until every machine had its verdict. */
function adoptions(machines: number): number[] {
  const lines = readFileSync(join(world.home, "daemon.log"), "utf8").trim().split("\n");
  return lines.flatMap((line) => {
    const { adopted, ms }: { adopted?: number; ms?: number } = JSON.parse(line);
    return adopted === machines && ms !== undefined ? [ms] : [];
  });
}
