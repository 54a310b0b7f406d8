import { readFileSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { HostStatus } from "@isthmus/sdk";
import { describe, expect, it } from "vitest";
import { size } from "../seeded.ts";
import { eventually, World } from "../world.ts";

const CREATES = size(24, 200);
const CAPACITY = size(6, 32);
const ROUNDS = size(2, 5);
const PER_ROUND = size(6, 110);
const FLOOD = size(2_000, 10_000);
const FLOOD_MAX = 10 * FLOOD;
const FLOOD_QUEUE = size(500, 2_000);
const FLOOD_AT_ONCE = 400;
/** ms that a client of the flood waits */
const PATIENCE_MS = 2_000;
const SETTLE_MS = 900_000;
const DEADLINE_MS = 3_600_000;
/** Each start that waits is a record in the store and little in memory. */
const FLOOD_RSS_BYTES = 250 * 1024 * 1024;
const SPEC = { image: "busybox", command: ["sleep", "100000"], memoryBytes: 96 * 1024 * 1024, stopTimeoutMs: 0 };

interface Answered {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/** A start as a client without SDK asks for it; status 0 when it lost its patience. */
function ask(world: World, spec: object, patienceMs?: number): Promise<Answered> {
  return new Promise((resolve) => {
    const signal = patienceMs === undefined ? undefined : AbortSignal.timeout(patienceMs);
    const headers = { "content-type": "application/json" };
    const call = request({ socketPath: world.socket, path: "/v1/machines", method: "POST", headers, signal }, (answer) => {
      answer.resume();
      answer.once("end", () => resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers["retry-after"] }));
    });
    call.once("error", () => resolve({ status: 0, retryAfter: undefined }));
    call.end(JSON.stringify(spec));
  });
}

const used = ({ limits }: HostStatus, name = "machines") => limits.find(({ limit }) => limit === name)?.used ?? Number.NaN;

/** Samples the host until it is told to stop: at every one, what is leased is within the limit and what the machines' states say. */
class Sampler {
  readonly calls: number[] = [];
  #over = false;
  readonly #done: Promise<void>;

  constructor(world: World) {
    this.#done = this.#sample(world);
    this.#done.catch(() => undefined);
  }

  async #sample(world: World): Promise<void> {
    while (!this.#over) {
      const began = performance.now();
      const status = await world.isthmus.host.status();
      this.calls.push(performance.now() - began);
      expect(used(status)).toBeLessThanOrEqual(CAPACITY);
      expect(status.queue.tenants.reduce((sum, { held }) => sum + held, 0)).toBe(used(status));
      expect(world.engines().length).toBeLessThanOrEqual(CAPACITY);
      await sleep(50);
    }
  }

  async stop(): Promise<string> {
    this.#over = true;
    await this.#done;
    const sorted = [...this.calls].sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.floor(sorted.length * part)]?.toFixed(1);
    return `${sorted.length} status calls, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
  }
}

const inState = async (world: World, state: string) => (await world.machines()).filter((machine) => machine.state === state).length;

describe("a storm of starts", () => {
  it(`of ${CREATES} at once fills ${CAPACITY} places exactly; the rest waits, or is told when to try again`, {
    timeout: DEADLINE_MS,
  }, async () => {
    await using world = await World.start({ ISTHMUS_MACHINES_MAX: String(CAPACITY), ISTHMUS_QUEUE_LENGTH: String(Math.ceil(CREATES / 2)) });
    const sampler = new Sampler(world);
    const answers: Answered[] = [];
    const asked = Array.from({ length: CREATES }, (_, index) =>
      ask(world, { ...SPEC, name: `s${index}`, maxWaitMs: DEADLINE_MS }).then((answer) => answers.push(answer)),
    );
    await eventually("all places are taken", async () => ((await inState(world, "running")) === CAPACITY ? true : undefined), SETTLE_MS);
    const answered = (status: number) => answers.filter((answer) => answer.status === status);
    await eventually("who asked for them was told", async () => (answered(201).length >= CAPACITY ? true : undefined));
    const refused = answered(429);
    expect(answered(201)).toHaveLength(CAPACITY);
    expect(refused.length).toBeGreaterThan(0);
    for (const { retryAfter } of refused) expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    expect(await inState(world, "queued")).toBe(CREATES - CAPACITY - refused.length);
    const status = await world.isthmus.host.status();
    expect([used(status), status.queue.length]).toEqual([CAPACITY, CREATES - CAPACITY - refused.length]);
    const told = await sampler.stop();
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect(await inState(world, "running")).toBe(CAPACITY);
    expect(used(await world.isthmus.host.status())).toBe(CAPACITY);
    console.log(`storm: ${CREATES} creates, ${CAPACITY} run, ${refused.length} refused; ${told}`);
    for (const { name, state } of await world.machines())
      if (state === "queued") await world.isthmus.machines.remove(name, { force: true });
    await Promise.all(asked);
  });

  it(`of ${ROUNDS} rounds of ${PER_ROUND} starts and removals leaves nothing leased`, { timeout: DEADLINE_MS }, async () => {
    await using world = await World.start({ ISTHMUS_MACHINES_MAX: String(CAPACITY), ISTHMUS_MAX_WAIT: "1h" });
    const sampler = new Sampler(world);
    for (let round = 0; round < ROUNDS; round += 1) {
      const one = async () => {
        const machine = await world.isthmus.machines.run(SPEC);
        await machine.remove({ force: true });
      };
      await Promise.all(Array.from({ length: PER_ROUND }, one));
      const status = await world.isthmus.host.status();
      expect([used(status), used(status, "memory"), status.queue.length, await world.machines()]).toEqual([0, 0, 0, []]);
    }
    console.log(`rounds: ${ROUNDS} x ${PER_ROUND}; ${await sampler.stop()}`);
  });

  it(`of ${FLOOD} requests leaves the daemon answering, with bounded memory`, { timeout: DEADLINE_MS }, async () => {
    await using world = await World.start({ ISTHMUS_MACHINES_MAX: "1", ISTHMUS_QUEUE_LENGTH: String(FLOOD_QUEUE) });
    await world.isthmus.machines.run({ ...SPEC, name: "holder" });
    const rss = async () => {
      const { pid } = await world.isthmus.version();
      return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
    };
    const before = await rss();
    const sampler = new Sampler(world);
    const statuses = new Map<number, number>();
    let next = 0;
    const client = async () => {
      // On a busy host clients lose their patience before the queue has filled up: then more come.
      while (next < FLOOD || (!statuses.has(429) && next < FLOOD_MAX)) {
        next += 1;
        const { status } = await ask(world, { ...SPEC, name: `f${next}`, maxWaitMs: DEADLINE_MS }, PATIENCE_MS);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: FLOOD_AT_ONCE }, client));
    const told = await sampler.stop();
    const status = await world.isthmus.host.status();
    expect(sampler.calls.length).toBeGreaterThan(5);
    expect(status.queue.length).toBeGreaterThan(0);
    expect(status.queue.length).toBeLessThanOrEqual(FLOOD_QUEUE);
    expect(statuses.get(429) ?? 0).toBeGreaterThan(0);
    expect([...statuses.keys()].filter((one) => one !== 0 && one !== 429)).toEqual([]);
    expect((await rss()) - before).toBeLessThan(FLOOD_RSS_BYTES);
    console.log(
      `flood: ${JSON.stringify(Object.fromEntries(statuses))}, ${status.queue.length} wait; ${told}; ${before} to ${await rss()} bytes`,
    );
    const waiting = (await world.machines()).filter(({ name }) => name !== "holder");
    let place = 0;
    const remove = async () => {
      for (let one = waiting[place++]; one !== undefined; one = waiting[place++])
        await world.isthmus.machines.remove(one.id, { force: true });
    };
    await Promise.all(Array.from({ length: 20 }, remove));
  });
});
