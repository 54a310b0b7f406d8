import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Event, hasCode, IsthmusError } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chance, soak } from "../seeded.ts";
import { eventually, World } from "../world.ts";

const [MACHINES, SEATS, LASTS_MS] = [50, 20, 300_000] as const;
const DAEMON_LIVES_MS = 8_000;
const DAEMON_LIVES_MORE_MS = 12_000;
/** Longer with more seats, so that machines come faster than they go: a host starts one or two a second. */
const RUN_MS = SEATS * 6_000;
const WAIT_MS = 1_500;
const DEADLINE_MS = LASTS_MS + 600_000;
const MIB = 1024 * 1024;

const chance = new Chance();
let world: World;
beforeAll(async () => {
  world = await World.start({ ISTHMUS_MEMORY_OVERCOMMIT: "2" });
  await world.isthmus.licences.add({ product: "matlab", metric: "per-machine", seats: SEATS, onShortage: "refuse" });
  // The first of its kind makes the template, which takes longer than most daemons live here.
  await world.ok(["run", "--rm", "--memory", "96m", "busybox", "true"]);
});
afterAll(async () => await world[Symbol.asyncDispose]());

/** How often what happened. */
const seen = { starts: 0, short: 0, killedMachines: 0, killedDaemons: 0 };

const refused = new Map<string, number>();

/** What a killed daemon leaves unanswered, and what its machines meet meanwhile. */
const expected = [
  "DAEMON_UNREACHABLE",
  "SHUTTING_DOWN",
  "PROTOCOL",
  "STATE_CONFLICT",
  "CANCELLED",
  "START_FAILED",
  "NAME_TAKEN",
  "MACHINE_NOT_FOUND",
] as const;

async function tolerant(work: () => Promise<unknown>): Promise<void> {
  await work().catch((error: unknown) => {
    if (hasCode(error, "LICENCE_SHORT")) seen.short += 1;
    else if (!hasCode(error, ...expected)) throw error;
    else refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
  });
}

async function start(name: string): Promise<void> {
  const { machines } = world.isthmus;
  const known = await machines.get(name).then(
    () => true,
    (error: unknown) => !hasCode(error, "MACHINE_NOT_FOUND"),
  );
  const spec = { image: "busybox", name, command: ["sleep", "100000"], memoryBytes: 96 * MIB, licences: ["matlab"] };
  await (known ? machines.start(name) : machines.create(spec));
  seen.starts += 1;
}

/** One machine that is started again and again, and ends in one of the ways there are. */
async function live(name: string, untilMs: number): Promise<void> {
  while (Date.now() < untilMs) {
    await tolerant(() => start(name));
    await sleep(chance.int(RUN_MS));
    await tolerant(async () => {
      const { state, pid } = await world.isthmus.machines.get(name);
      if (state !== "running" || pid === undefined) return;
      seen.killedMachines += 1;
      const way = chance.int(3);
      if (way === 0) process.kill(pid, "SIGKILL");
      else if (way === 1) await world.isthmus.machines.kill(name);
      else await world.isthmus.machines.remove(name, { force: true });
    });
    await sleep(chance.int(WAIT_MS));
  }
}

async function killDaemons(untilMs: number): Promise<void> {
  while (Date.now() < untilMs) {
    await sleep(DAEMON_LIVES_MS + chance.int(DAEMON_LIVES_MORE_MS));
    await world.killDaemon();
    seen.killedDaemons += 1;
    await world.ok(["daemon", "start"]);
  }
}

/** What the pool says while all of that goes on. */
async function watch(untilMs: number): Promise<void> {
  while (Date.now() < untilMs) {
    await tolerant(async () => {
      const { used, free, seats, holders } = await world.isthmus.licences.get("matlab");
      expect(used + free).toBe(seats);
      expect(holders).toHaveLength(used);
    });
    await sleep(100);
  }
}

interface Use {
  readonly machineId: string;
  readonly from: string;
  to?: string;
}

/** The same report as the daemon's, made here from the event log. */
async function recomputed(): Promise<{ readonly uses: readonly Use[]; readonly highWater: number; readonly used: number }> {
  const held = new Map<string, Use>();
  const uses: Use[] = [];
  let highWater = 0;
  for await (const event of world.isthmus.events()) {
    if (event.type !== "licence.taken" && event.type !== "licence.returned") continue;
    account(event, held, uses);
    const { used, total } = event.details;
    expect(`event ${event.seq}: ${held.size} in use, ${SEATS - held.size} free`).toBe(
      `event ${event.seq}: ${used} in use, ${Number(total) - Number(used)} free`,
    );
    expect(held.size).toBeLessThanOrEqual(SEATS);
    highWater = Math.max(highWater, held.size);
  }
  return { uses, highWater, used: held.size };
}

function account({ type, machineId = "", time }: Event, held: Map<string, Use>, uses: Use[]): void {
  const open = held.get(machineId);
  if (type === "licence.taken") {
    if (open) throw new IsthmusError("INTERNAL", { reason: `${machineId} took a second seat at ${time}` });
    const use = { machineId, from: time };
    held.set(machineId, use);
    uses.push(use);
  } else {
    if (!open) throw new IsthmusError("INTERNAL", { reason: `${machineId} returned a seat that it did not hold at ${time}` });
    open.to = time;
    held.delete(machineId);
  }
}

describe("seats under machines and daemons that are killed at random", () => {
  it.runIf(soak)(
    `never leak or double, ${MACHINES} machines over ${SEATS} seats, SEED=${chance.seed}`,
    { timeout: DEADLINE_MS },
    async () => {
      const untilMs = Date.now() + LASTS_MS;
      const names = Array.from({ length: MACHINES }, (_, index) => `seat-${index}`);
      await Promise.all([...names.map((name) => live(name, untilMs)), killDaemons(untilMs), watch(untilMs)]);
      await settled();
      const { uses, highWater, used } = await recomputed();
      const report = await world.isthmus.licences.report({ audit: true });
      const [product] = report.products;
      expect(report.audit?.differences).toEqual([]);
      expect(product?.uses.map(({ machineId, from, to }) => ({ machineId, from, to }))).toEqual(
        uses.map(({ machineId, from, to }) => ({ machineId, from, to })),
      );
      expect([product?.highWater, product?.used]).toEqual([highWater, used]);
      expect(used).toBe((await world.machines()).filter(({ state }) => state === "running").length);
      console.log(
        `licences: ${uses.length} leases over ${SEATS} seats, at most ${highWater} at once; ${JSON.stringify(seen)} ${JSON.stringify([...refused])}`,
      );
      for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
      expect(uses.length).toBeGreaterThan(SEATS);
      await world.removeAll();
      expect(await world.isthmus.licences.get("matlab")).toMatchObject({ used: 0, free: SEATS, holders: [] });
    },
  );
});

async function settled(): Promise<void> {
  const passing = ["queued", "starting", "stopping"];
  await eventually(
    "nothing is under way",
    async () => ((await world.machines()).some(({ state }) => passing.includes(state)) ? undefined : true),
    180_000,
  );
}
