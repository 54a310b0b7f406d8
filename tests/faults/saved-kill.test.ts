import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, type Machine } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chance, size, soak } from "../seeded.ts";
import { eventually, World } from "../world.ts";

const ROUNDS = size(12, 200);
/** about as long as the longest of the operations takes here */
const JITTER_MS = 1_500;
const DEADLINE_MS = 3_600_000;
const COUNTING = "i=0; while :; do i=$((i+1)); echo $i > /count; echo $i; sleep 0.1; done";

const chance = new Chance();
const operations = ["snapshot", "clone", "suspend", "resume"] as const;
const victims = ["daemon", "engine", "all"] as const;

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world[Symbol.asyncDispose]());

async function find(name: string): Promise<Machine | undefined> {
  return (await world.machines()).find((machine) => machine.name === name);
}

/** What it has counted to. Between the cut and the write of a number its file is empty. */
async function count(name = "m"): Promise<number> {
  return await eventually("it counts", async () => Number(await world.ok(["exec", name, "cat", "/count"])) || undefined);
}

/** A machine that counts, suspended when it is to be resumed. */
async function prepare(operation: string): Promise<number> {
  await world.isthmus.machines.run({ image: "busybox", name: "m", command: ["sh", "-c", COUNTING], stopTimeoutMs: 0 });
  const counted = await count();
  if (operation === "resume") await world.ok(["suspend", "m"]);
  return counted;
}

function begin(operation: string): Promise<unknown> {
  const { machines, snapshots } = world.isthmus;
  if (operation === "snapshot") return snapshots.create("m", { name: "s" });
  if (operation === "clone") return machines.clone("m", { name: "c" });
  return operation === "suspend" ? machines.suspend("m") : machines.resume("m");
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function killVictim(victim: string): Promise<void> {
  if (victim === "daemon") return await world.killDaemon();
  if (victim === "engine") return world.engines().forEach(kill);
  for (const { pid, command } of world.processes()) if (command.includes("daemon") || command.includes("qemu-system")) kill(pid);
}

/** What is there must be whole; what was acknowledged must be there. */
async function expectWhole(operation: string, victim: string, acknowledged: boolean, counted: number): Promise<void> {
  // Just after the daemon's start a machine can still be shown as it was.
  await eventually("settled", async () => {
    const states = (await world.machines()).map(({ state }) => state);
    const running = states.filter((state) => state === "running").length;
    return states.some((state) => ["queued", "starting", "stopping"].includes(state)) || running !== world.engines().length
      ? undefined
      : true;
  });
  const survives = victim === "daemon";
  const machine = await find("m");
  if (survives || (acknowledged && operation === "suspend")) expect(["running", "suspended"]).toContain(machine?.state);
  if (acknowledged && operation === "suspend") expect(machine?.state).toBe("suspended");
  if (machine?.state === "suspended") await world.ok(["resume", "m"]);
  if ((await find("m"))?.state === "running") {
    expect(await count()).toBeGreaterThanOrEqual(counted);
    expect(await world.ok(["exec", "m", "sh", "-c", "echo new > /file; sync; cat /file"])).toBe("new");
  }
  const snapshots = await world.isthmus.snapshots.list();
  if (acknowledged && operation === "snapshot") expect(snapshots.map(({ name }) => name)).toEqual(["s"]);
  for (const { id } of snapshots) {
    const [clone] = await world.isthmus.snapshots.clone(id, { name: "t" });
    expect(await count(clone?.id)).toBeGreaterThanOrEqual(counted);
    await world.isthmus.snapshots.remove(id);
  }
  const clone = await find("c");
  if (acknowledged && operation === "clone" && survives) expect(clone?.state).toBe("running");
  if (clone?.state === "running") expect(await count("c")).toBeGreaterThanOrEqual(counted);
}

describe("machines that are saved and brought back", () => {
  it.runIf(soak)(`keep what was acknowledged through ${ROUNDS} kills, SEED=${chance.seed}`, { timeout: DEADLINE_MS }, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const operation = operations[round % operations.length] ?? "snapshot";
      const victim = victims[chance.int(victims.length)] ?? "daemon";
      const counted = await prepare(operation);
      const outcome = begin(operation).then(
        () => true,
        (error: unknown) => {
          if (!hasCode(error)) throw error;
          return false;
        },
      );
      await sleep(chance.int(JITTER_MS));
      await killVictim(victim);
      const acknowledged = await outcome;
      await world.ok(["daemon", "start"]);
      await expectWhole(operation, victim, acknowledged, counted);
      await world.removeAll();
      const left = join(world.home, "snapshots");
      expect(existsSync(left) ? readdirSync(left) : [], `round ${round}: ${operation}, ${victim}`).toEqual([]);
      expect(readdirSync(join(world.home, "machines"))).toEqual([]);
      expect(world.engines()).toEqual([]);
    }
  });
});
