import { IsthmusError, isSettled, type MachineSpec } from "@isthmus/contract";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

const HOUR_MS = 3_600_000;
const RUNS = Number(process.env.N ?? 60);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

async function limited(admission: FakeDaemon["admission"]): Promise<void> {
  daemon.admission = { limiter: "static", startsInFlight: 4, ratePerSecond: 0, ...admission };
  await daemon.restart();
}

/** Begins a start and lets it come as far as it comes; its outcome is kept. */
async function begin(name: string, spec: Partial<MachineSpec> = {}): Promise<{ code?: string }> {
  const told: { code?: string } = {};
  daemon.machines.create({ image: "busybox", name, ...spec }, { start: true }).then(
    () => (told.code = "ok"),
    (error: unknown) => (told.code = error instanceof IsthmusError ? error.code : String(error)),
  );
  await quiet();
  return told;
}

const states = () => Object.fromEntries(daemon.all().map(({ name, state }) => [name, state]));
const events = (type: string) => daemon.store.events({ limit: 10_000 }).filter((event) => event.type === type);
const code = (work: Promise<unknown>) =>
  work.then(
    () => "ok",
    (error: unknown) => (error instanceof IsthmusError ? error.code : String(error)),
  );

describe("a start that waits for licence seats", () => {
  const licences = ["matlab"];
  /** One seat, and machine `a` has it. */
  async function noSeat(admission: FakeDaemon["admission"] = {}): Promise<void> {
    await limited(admission);
    daemon.machines.licences.add({ product: "matlab", metric: "per-machine", seats: 1 });
    await daemon.machines.create({ image: "busybox", name: "a", licences }, { start: true });
  }

  it.each([
    ["as long as its spec says", { maxWaitMs: HOUR_MS }, 5000, 5000],
    ["as long as the host says where its spec does not", { maxWaitMs: 5000 }, undefined, 5000],
    ["not at all with 0", {}, 0, 0],
    ["as long as it takes where nobody says anything", {}, undefined, HOUR_MS],
  ])("waits %s", async (_what, admission, maxWaitMs, waitsMs) => {
    await noSeat(admission);
    const told = await begin("b", { licences, maxWaitMs });
    const refusedBy = (ms: number) => (waitsMs <= ms ? "LICENCE_SHORT" : undefined);
    expect(told.code).toBe(refusedBy(0));
    await daemon.clock.advance(4000);
    expect(told.code).toBe(refusedBy(4000));
    await daemon.clock.advance(3000);
    expect(told.code).toBe(refusedBy(7000));
    await daemon.machines.stop("a");
    await quiet();
    expect(told.code).toBe(refusedBy(7000) ?? "ok");
  });

  it("has what is left of its time after a crash", async () => {
    await noSeat();
    await begin("b", { licences, maxWaitMs: 5000 });
    await daemon.clock.advance(3000);
    await daemon.crash();
    await daemon.clock.advance(1000);
    expect(states().b).toBe("queued");
    await daemon.clock.advance(2000);
    expect(states().b).toBe("refused");
  });

  it("is not bounded where its restart policy began it", async () => {
    await noSeat();
    await daemon.machines.stop("a");
    const restart = { policy: "always" } as const;
    const { id } = await daemon.machines.create({ image: "busybox", name: "c", licences, maxWaitMs: 5000, restart }, { start: true });
    daemon.host.end(id, { code: 1 });
    await quiet();
    await daemon.machines.start("a");
    await daemon.clock.advance(60_000);
    expect([states(), events("machine.refused")]).toEqual([{ a: "running", c: "queued" }, []]);
    await daemon.machines.stop("a");
    await quiet();
    expect(states().c).toBe("running");
  });
});

describe("a start that does not fit", () => {
  it("is refused before anything is written where it may not wait", async () => {
    await limited({ machines: 1 });
    await daemon.machines.create({ image: "busybox", name: "a" }, { start: true });
    expect(await code(daemon.machines.create({ image: "busybox", name: "b" }, { start: true }))).toBe("NO_CAPACITY");
    expect(Object.keys(states())).toEqual(["a"]);
    expect(daemon.machines.host.status().refusals).toEqual({ machines: 1 });
  });

  it("waits as long as its spec lets it, tells why, and goes on when there is room", async () => {
    await limited({ machines: 1 });
    await daemon.machines.create({ image: "busybox", name: "a" }, { start: true });
    const told = await begin("b", { maxWaitMs: HOUR_MS });
    await daemon.clock.advance(1500);
    expect(states()).toEqual({ a: "running", b: "queued" });
    const { place, summary } = daemon.machines.why("b");
    expect(place).toMatchObject({ position: 1, ahead: 0, cause: "limit", shortage: { limit: "machines", used: 1, max: 1, needed: 1 } });
    expect(summary).toMatch(/^b waits to be started: place 1 \(0 ahead\).*limit machines: 1 machines of 1 machines used/);
    expect(events("machine.waiting").at(-1)?.details).toMatchObject({ position: 1, cause: "machines" });
    await daemon.machines.stop("a");
    await quiet();
    expect([told.code, states()]).toEqual(["ok", { a: "exited", b: "running" }]);
    expect(daemon.machines.why("b").reasons.join("\n")).toMatch(/it waited 1\.5 s to be let in, then at place 1 because of machines/);
  });

  it("is refused when its time is over, and kept with its reason", async () => {
    await limited({ machines: 1 });
    await daemon.machines.create({ image: "busybox", name: "a" }, { start: true });
    const told = await begin("b", { maxWaitMs: 5000, tenant: "team-a" });
    await daemon.clock.advance(7000);
    expect([told.code, states()]).toEqual(["NO_CAPACITY", { a: "running", b: "refused" }]);
    expect(daemon.machines.get("b").failure).toMatchObject({ code: "NO_CAPACITY", remedy: expect.stringMatching(/\S/) });
    expect(events("machine.refused").at(-1)?.details).toMatchObject({ limit: "machines", used: 1, max: 1, needed: 1 });
    expect(daemon.machines.why("b").summary).toMatch(/^b was refused: .*machines/);
    await daemon.restart();
    expect(states()).toEqual({ a: "running", b: "refused" });
    await daemon.machines.stop("a");
    await daemon.machines.start("b");
    expect(states()).toEqual({ a: "exited", b: "running" });
    expect(daemon.machines.get("b").failure).toBeUndefined();
  });

  it("is kept with its reason when it was made before, and told of once", async () => {
    await limited({ machines: 1 });
    await daemon.machines.create({ image: "busybox", name: "b" });
    await daemon.machines.create({ image: "busybox", name: "a" }, { start: true });
    for (let times = 0; times < 3; times += 1) expect(await code(daemon.machines.start("b"))).toBe("NO_CAPACITY");
    expect(states()).toEqual({ a: "running", b: "refused" });
    expect(daemon.machines.why("b").summary).toMatch(/^b was refused: .*machines/);
    expect(events("machine.refused").map(({ details }) => details)).toMatchObject([{ limit: "machines", used: 1, max: 1 }]);
    await daemon.restart();
    expect(daemon.machines.why("b").summary).toMatch(/^b was refused: .*machines/);
    await daemon.machines.stop("a");
    await daemon.machines.start("b");
    expect(daemon.machines.get("b").failure).toBeUndefined();
    expect(await code(daemon.machines.start("a"))).toBe("NO_CAPACITY");
    const { summary, reasons } = daemon.machines.why("a");
    expect([states().a, summary, reasons.join("\n")]).toEqual([
      "exited",
      expect.stringMatching(/^a ended with code/),
      expect.stringMatching(/its last start was refused: .*machines/),
    ]);
  });

  it("is refused for ever when it could never fit", async () => {
    await limited({});
    daemon.machines.quotas.set("small", { machines: 0 });
    expect(await code(daemon.machines.create({ image: "busybox", tenant: "small", maxWaitMs: HOUR_MS }, { start: true }))).toBe(
      "NEVER_FITS",
    );
    expect(await code(daemon.machines.create({ image: "busybox", tenant: "other" }, { start: true }))).toBe("ok");
  });

  it("waits for a quota, which can be raised meanwhile", async () => {
    await limited({});
    daemon.machines.quotas.set("t", { machines: 1 });
    await daemon.machines.create({ image: "busybox", tenant: "t" }, { start: true });
    expect(await code(daemon.machines.create({ image: "busybox", tenant: "t" }, { start: true }))).toBe("QUOTA_REACHED");
    const told = await begin("b", { maxWaitMs: HOUR_MS, tenant: "t" });
    await quiet();
    expect(daemon.machines.quotas.get("t").used).toMatchObject({ machines: 1, queued: 1 });
    expect(daemon.machines.why("b").place?.shortage).toMatchObject({ limit: "machines-per-tenant", scope: "t", kind: "quota" });
    daemon.machines.quotas.set("t", { machines: 2 });
    await quiet();
    expect(told.code).toBe("ok");
  });

  it("can be called off while it waits", async () => {
    await limited({ machines: 1 });
    await daemon.machines.create({ image: "busybox", name: "a" }, { start: true });
    const told = await begin("b", { maxWaitMs: HOUR_MS });
    await quiet();
    await daemon.machines.stop("b");
    await quiet();
    expect([told.code, states()]).toEqual(["CANCELLED", { a: "running", b: "exited" }]);
    expect(daemon.machines.host.status().queue.length).toBe(0);
  });
});

describe("what exists already", () => {
  it("is restarted by its policy as soon as there is room, before what is new and as urgent", async () => {
    await limited({ machines: 1 });
    const always = { policy: "always" } as const;
    await daemon.machines.create({ image: "busybox", name: "old", restart: always }, { start: true });
    daemon.host.end(daemon.machines.get("old").id, { code: 1 });
    await quiet();
    await daemon.machines.create({ image: "busybox", name: "other" }, { start: true });
    const told = await begin("new", { maxWaitMs: HOUR_MS });
    await daemon.clock.advance(2000);
    expect(states()).toEqual({ old: "queued", other: "running", new: "queued" });
    await daemon.machines.stop("other");
    await daemon.clock.advance(1);
    expect(states()).toMatchObject({ old: "running", new: "queued" });
    expect(told.code).toBeUndefined();
  });

  it("stays suspended when its resume is refused", async () => {
    await limited({ machines: 1 });
    await daemon.machines.create({ image: "busybox", name: "a" }, { start: true });
    await daemon.machines.suspend("a");
    await daemon.machines.create({ image: "busybox", name: "b" }, { start: true });
    expect(await code(daemon.machines.resume("a"))).toBe("NO_CAPACITY");
    expect(states()).toEqual({ a: "suspended", b: "running" });
    expect(daemon.machines.why("a").reasons.join("\n")).toMatch(/its last resume failed: .*machines/);
    await daemon.machines.stop("b");
    await daemon.machines.resume("a");
    expect(states()).toEqual({ a: "running", b: "exited" });
  });
});

describe("a daemon after a crash", () => {
  it("takes up the queue in its order, deadlines included", async () => {
    await limited({ machines: 1 });
    await daemon.machines.create({ image: "busybox", name: "first" }, { start: true });
    const names = ["a", "b", "c", "d"];
    for (const name of names) {
      await begin(name, { maxWaitMs: name === "c" ? 5000 : HOUR_MS });
      await daemon.clock.advance(100);
    }
    await daemon.crash();
    const places = () => names.map((name) => daemon.machines.why(name).place?.position);
    expect(places()).toEqual([1, 2, 3, 4]);
    await daemon.clock.advance(6000);
    expect(states()).toEqual({ first: "running", a: "queued", b: "queued", c: "refused", d: "queued" });
    for (const [index, name] of ["a", "b", "d"].entries()) {
      await daemon.machines.kill(["first", "a", "b"][index] ?? "");
      await daemon.clock.advance(1);
      expect(states()).toMatchObject({ [name]: "running" });
    }
  });

  it("counts machines that run without a lease, as those of an older Isthmus do", async () => {
    await daemon.machines.create({ image: "busybox", name: "a" }, { start: true });
    const { machine, boot } = daemon.store.machine("a");
    daemon.store.updateMachine({ machine, boot: { ...boot, lease: undefined } }, []);
    await limited({ machines: 1 });
    expect(await code(daemon.machines.create({ image: "busybox" }, { start: true }))).toBe("NO_CAPACITY");
  });
});

const LIMIT = 3;
type Step = "create" | "exit" | "stop" | "kill" | "crash" | "start" | "remove";

async function perform(step: Step, index: number): Promise<void> {
  const all = daemon.all();
  const one = all[index % Math.max(1, all.length)];
  if (step === "create")
    await begin(`m${daemon.store.lastEventSeq()}-${index}`, { maxWaitMs: (index % 3) * 10_000, tenant: `t${index % 2}` });
  else if (step === "crash") await daemon.crash();
  else if (one && step === "exit") daemon.host.end(one.id, { code: 0 });
  else if (one && step !== "exit") void daemon.machines[step](one.id).catch(() => undefined);
  await daemon.clock.advance(index * 100);
}

/** Never over the limit, and what is leased is what the records say. */
function expectExact(): void {
  const held = daemon.all().filter(({ state, id }) => {
    const { lease } = daemon.store.machine(id).boot;
    return lease !== undefined && state !== "suspended";
  });
  expect(held.length).toBeLessThanOrEqual(LIMIT);
  expect(daemon.host.processes.size).toBeLessThanOrEqual(LIMIT);
  const status = daemon.machines.host.status();
  expect(status.limits.find(({ limit }) => limit === "machines")?.used).toBe(held.length);
  for (const { id, state } of daemon.all()) if (isSettled(state)) expect(daemon.store.machine(id).boot.lease).toBeUndefined();
  const census = daemon.machines.host.census().reduce((sum, { count }) => sum + count, 0);
  expect(census).toBe(daemon.all().length);
}

describe("any history of requests, ends and crashes", () => {
  it(`holds no more than the limit, and all that it holds, SEED=${SEED}`, { timeout: 300_000 }, async () => {
    const step = fc.constantFrom<Step>("create", "create", "exit", "stop", "kill", "crash", "start", "remove");
    const history = fc.array(fc.tuple(step, fc.nat(20)), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        daemon.remove();
        daemon = new FakeDaemon();
        await limited({ machines: LIMIT });
        for (const [what, index] of steps) {
          await perform(what, index);
          expectExact();
        }
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });
});
