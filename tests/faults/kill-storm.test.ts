import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chance, size } from "../seeded.ts";
import { eventually, World } from "../world.ts";

const KILLS = size(20, 100);
const OPS_PER_KILL = 2;
const JITTER_MS = 300;
const STEADY = 3;
/** Each of so many creates also starts its machine, which takes longer than any daemon lives here. */
const STARTED_EVERY = 9;
const DEADLINE_MS = 1_200_000;

const chance = new Chance();
const lost = ["DAEMON_UNREACHABLE", "SHUTTING_DOWN", "PROTOCOL"] as const;
let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => await world[Symbol.asyncDispose]());

/** What clients were told. */
class Ledger {
  readonly present = new Map<string, string>();
  readonly gone = new Set<string>();
  repeats = 0;
  #made = 0;

  /** A client that asks again, with the same key, until it is answered. */
  async #asked<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!hasCode(error, ...lost)) throw error;
        this.repeats += 1;
        await sleep(20);
      }
    }
  }

  async create(): Promise<void> {
    this.#made += 1;
    const name = `storm-${this.#made}`;
    const start = this.#made % STARTED_EVERY === 1;
    const spec = { image: "busybox", name, command: ["sleep", "100000"], memoryBytes: 96 * 1024 * 1024 };
    const ask = () => world.isthmus.machines.create(spec, { start, idempotencyKey: `key-of-${name}` });
    // A start that was begun again too often has failed, and says so; its machine is there all the same.
    const made = await this.#asked(ask).catch(async (error: unknown) => {
      if (hasCode(error, "START_FAILED")) return await this.#asked(() => world.isthmus.machines.get(name));
      throw error;
    });
    this.present.set(name, made.id);
  }

  async remove(): Promise<void> {
    const name = chance.pick([...this.present.keys()]);
    if (name === undefined) return;
    this.present.delete(name);
    await this.#asked(() => world.isthmus.machines.remove(name, { force: true })).catch((error: unknown) => {
      if (!hasCode(error, "MACHINE_NOT_FOUND")) throw error;
    });
    this.gone.add(name);
  }
}

describe("creates and deletes under a daemon that is killed at random", () => {
  it(`keep every word that was given, ${KILLS} kills and ${KILLS * OPS_PER_KILL} requests, SEED=${chance.seed}`, {
    timeout: DEADLINE_MS,
  }, async () => {
    const names = Array.from({ length: STEADY }, (_, index) => `steady-${index}`);
    await Promise.all(names.map((name) => world.ok(["run", "-d", "--name", name, "--memory", "96m", "busybox", "sleep", "100000"])));
    const pidsOf = async () => (await world.machines()).filter(({ name }) => names.includes(name)).map(({ name, pid }) => `${name} ${pid}`);
    const pids = (await pidsOf()).sort();
    const ledger = new Ledger();
    const asked: Promise<void>[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      for (let op = 0; op < OPS_PER_KILL; op += 1) {
        const what = chance.int(3) === 0 ? () => ledger.remove() : () => ledger.create();
        const request = sleep(chance.int(JITTER_MS)).then(what);
        request.catch(() => undefined);
        asked.push(request);
      }
      await sleep(chance.int(JITTER_MS));
      await world.killDaemon();
      await world.ok(["daemon", "start"]);
    }
    await Promise.all(asked);
    await settled();
    const machines = await world.machines();
    const told = machines.filter(({ name }) => !names.includes(name)).map(({ name, id }) => `${name} ${id}`);
    expect(told.sort()).toEqual([...ledger.present].map(([name, id]) => `${name} ${id}`).sort());
    expect(machines.filter(({ name }) => ledger.gone.has(name))).toEqual([]);
    expect((await pidsOf()).sort()).toEqual(pids);
    expect(machines.filter(({ restarts }) => restarts > 0)).toEqual([]);
    await expect.poll(() => world.engines().sort()).toEqual(machines.flatMap(({ pid }) => pid ?? []).sort());
    const orphans = () => readdirSync(join(world.home, "machines")).filter((id) => !machines.some((machine) => machine.id === id));
    await expect.poll(orphans).toEqual([]);
    expect(ledger.repeats).toBeGreaterThan(0);
    console.log(
      `kill storm: ${KILLS} kills, ${ledger.present.size} present, ${ledger.gone.size} gone, ${ledger.repeats} requests asked again`,
    );
  });
});

/** Starts that the last daemon goes on with have come to an end. */
async function settled(): Promise<void> {
  await eventually(
    "no start is in progress",
    async () => ((await world.machines()).some(({ state }) => ["queued", "starting", "stopping"].includes(state)) ? undefined : true),
    180_000,
  );
}
