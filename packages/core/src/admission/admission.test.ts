import { hasCode } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QUEUE_AGE_MS } from "./config.ts";
import type { AdmissionRequest, Priority } from "./request.ts";
import { GUEST_BYTES, request, turn, World } from "./world.fixture.ts";

/** Row sizes of a nightly run: N=10000. */
const RUNS = Number(process.env.N ?? 2_000);

describe("admission", () => {
  it("lets in what fits, and no more starts at a time than there are slots", async () => {
    const world = new World({ startsInFlight: 2 });
    for (const id of ["a", "b", "c"]) world.enter(request(id));
    await turn();
    expect(world.granted).toEqual(["a", "b"]);
    expect(world.admission.position("c")).toMatchObject({ position: 1, cause: "start-slots" });
    world.grants.get("a")?.done({ ok: true, latencyMs: 100 });
    world.grants.get("a")?.done({ ok: true, latencyMs: 100 });
    await turn();
    expect(world.granted).toEqual(["a", "b", "c"]);
    expect(world.admission.status().inFlight).toBe(2);
  });

  it("refuses at once what does not fit and may not wait, or never fits, and tells the figures", async () => {
    const world = new World({ machines: 1 });
    world.enter(request("a"));
    await turn();
    expect(() => world.admission.check(request("b"))).toThrow(expect.objectContaining({ code: "NO_CAPACITY" }));
    expect(() => world.admission.check(request("b", { maxWaitMs: 1000 }))).not.toThrow();
    const huge = request("c", { memoryBytes: 1e12, maxWaitMs: 1000 });
    expect(() => world.admission.check(huge)).toThrow(/memory needs .* and the limit is/);
    world.quotas.set("small", { weight: 1, machines: 0 });
    expect(() => world.admission.check(request("d", { tenant: "small" }))).toThrow(expect.objectContaining({ code: "NEVER_FITS" }));
  });

  it("lets wait until there is room, or its time is over", async () => {
    const world = new World({ machines: 1 });
    world.enter(request("a"));
    world.enter(request("b", { maxWaitMs: 60_000 }));
    world.enter(request("c", { maxWaitMs: 5_000 }));
    world.advance(10_000);
    await turn();
    expect(world.refused.get("c")).toMatchObject({ code: "NO_CAPACITY" });
    expect(world.admission.position("b")?.cause).toMatchObject({ limit: "machines", used: 1, max: 1 });
    world.end("a");
    expect(world.granted).toEqual(["a", "b"]);
  });

  it("does not keep anything for longer than the queue's age", async () => {
    const world = new World({ startsInFlight: 1 });
    world.enter(request("a"));
    world.enter(request("b"));
    world.advance(QUEUE_AGE_MS + 2_000);
    await turn();
    expect(world.refused.get("b")).toMatchObject({ code: "TOO_MANY_REQUESTS" });
  });

  it("lets wait for seats when their pool says so", async () => {
    const world = new World();
    world.seatsFree = 0;
    world.enter(request("a", { licences: ["db"] }));
    await turn();
    expect(world.admission.position("a")?.cause).toMatchObject({ kind: "licence" });
    world.seatsFree = 1;
    world.advance(1_000);
    expect(world.granted).toEqual(["a"]);
  });

  it("lets wait for seats no longer than who asks has said", async () => {
    const world = new World();
    world.seatsFree = 0;
    world.enter(request("a", { licences: ["db"], seatsWaitMs: 5_000 }));
    world.enter(request("b", { licences: ["db"], seatsWaitMs: 60_000 }));
    world.advance(10_000);
    await turn();
    expect(world.refused.get("a")).toMatchObject({ code: "LICENCE_UNAVAILABLE" });
    expect(world.admission.position("b")?.cause).toMatchObject({ kind: "licence" });
    expect(() => world.admission.check(request("c", { licences: ["db"], seatsWaitMs: 0 }))).toThrow(/db/);
  });

  it("sets room aside for a large one that others have passed for long, and not for ever", () => {
    const world = new World({ machines: 1_000, startsInFlight: 1_000 });
    const small = (id: string) => request(id, { maxWaitMs: 1e7, queuedAtMs: world.nowMs });
    const fill = Math.floor(world.admission.limits.memoryBytes / (GUEST_BYTES + 48 * 2 ** 20));
    for (let n = 0; n < fill; n += 1) world.enter(small(`s${n}`));
    world.enter(request("large", { memoryBytes: 40 * GUEST_BYTES, maxWaitMs: 1e7 }));
    let next = 0;
    for (let n = 0; n < 2_000 && !world.machines.has("large"); n += 1) {
      world.advance(500);
      world.enter(small(`t${n}`));
      world.end([...world.machines.keys()][0] ?? "");
      next = n;
    }
    expect(world.machines.has("large")).toBe(true);
    expect(next).toBeGreaterThan(15);
  });

  it("forgets who stopped waiting, and lets nobody in once closed", async () => {
    const world = new World({ startsInFlight: 1 });
    const controller = new AbortController();
    world.enter(request("a"));
    world.enter(request("b"), controller.signal);
    world.enter(request("c"));
    controller.abort();
    await turn();
    expect(world.refused.get("b")).toMatchObject({ code: "CANCELLED" });
    world.admission.close();
    world.grants.get("a")?.done({ ok: true, latencyMs: 1 });
    expect(world.granted).toEqual(["a"]);
  });

  it("keeps places for others when one tenant floods, and costs little", () => {
    const world = new World({ startsInFlight: 1, queueLength: 1_000 });
    const flood = (n: number) => request(`f${n}`, { tenant: "flood", maxWaitMs: 1e7 });
    let refused = 0;
    for (let n = 0; n < 10_000; n += 1) {
      try {
        world.admission.check(flood(n));
        world.enter(flood(n));
      } catch (error) {
        expect(hasCode(error, "TOO_MANY_REQUESTS")).toBe(true);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(9_000);
    expect(world.admission.status().queue.length).toBeLessThanOrEqual(800);
    expect(() => world.admission.check(request("x", { tenant: "other" }))).not.toThrow();
  });
});

type Step = ["enter", number, number, Priority] | ["done", number] | ["end", number] | ["crash"] | ["advance", number];
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constant("enter" as const), fc.nat(2), fc.nat(3), fc.constantFrom<Priority>("low", "normal", "high")),
  },
  { weight: 4, arbitrary: fc.tuple(fc.constant("done" as const), fc.nat(50)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("end" as const), fc.nat(50)) },
  { weight: 1, arbitrary: fc.constant(["crash"] as Step) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("advance" as const), fc.integer({ min: -5_000, max: 60_000 })) },
);

describe("over any history with crashes", () => {
  it("no hard limit is passed and no lease is given twice", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const world = new World({ machines: 8, startsInFlight: 3 });
        world.quotas.set("t0", { weight: 1, machines: 3, vcpus: 4 });
        let ids = 0;
        for (const [kind, ...values] of steps) {
          const pick = <T>(from: readonly T[]) => from[Number(values[0]) % Math.max(1, from.length)];
          if (kind === "enter") {
            const [tenant, cpus, priority] = values as [number, number, Priority];
            ids += 1;
            const wait = { maxWaitMs: 20_000, queuedAtMs: world.nowMs };
            world.enter(request(`m${ids}`, { tenant: `t${tenant}`, cpus: cpus + 1, priority, ...wait }));
          } else if (kind === "done") pick([...world.grants.values()])?.done({ ok: true, latencyMs: 50 });
          else if (kind === "end") world.end(pick([...world.machines.keys()]) ?? "");
          else if (kind === "crash") world.crash();
          else if (Number(values[0]) < 0) world.nowMs += Number(values[0]);
          else world.advance(Number(values[0]));
          await turn();
          const held = [...world.machines.values()];
          const own = held.filter(({ tenant }) => tenant === "t0");
          expect(held.length).toBeLessThanOrEqual(8);
          expect(own.length).toBeLessThanOrEqual(3);
          expect(own.reduce((sum, { cpus }) => sum + cpus, 0)).toBeLessThanOrEqual(4);
          expect(world.admission.status().inFlight).toBeLessThanOrEqual(3);
          expect(new Set(world.granted).size).toBe(world.granted.length);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it("nobody starves: whatever may wait is let in or refused in the end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(3), fc.nat(20), fc.constantFrom<Priority>("low", "normal", "high")), { maxLength: 60 }),
        async (all) => {
          const world = new World({ machines: 6, startsInFlight: 2 });
          all.forEach(([tenant, size, priority], n) => {
            const big = { memoryBytes: GUEST_BYTES * (size + 1), maxWaitMs: 1e8 };
            world.enter(request(`m${n}`, { tenant: `t${tenant}`, priority, ...big }));
          });
          for (let n = 0; n < 4 * all.length + 10; n += 1) {
            await turn();
            for (const grant of world.grants.values()) grant.done({ ok: true, latencyMs: 20 });
            world.end([...world.machines.keys()][0] ?? "");
            world.advance(1_000);
          }
          expect(world.granted.length + world.refused.size).toBe(all.length);
        },
      ),
      { numRuns: Math.ceil(RUNS / 5) },
    );
  });

  it("tenants that always wait get their shares within 10 %", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 1, max: 4 }),
        async (weights, slots) => {
          const world = new World({ startsInFlight: slots });
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const grants = 40 * total;
          const tenantOf = new Map<string, number>();
          for (const [tenant, weight] of weights.entries()) world.quotas.set(`t${tenant}`, { weight });
          let ids = 0;
          const add = (tenant: number) => {
            ids += 1;
            tenantOf.set(`m${ids}`, tenant);
            const one: AdmissionRequest = request(`m${ids}`, { tenant: `t${tenant}`, maxWaitMs: 1e9 });
            world.enter(one);
          };
          weights.forEach((_, tenant) => {
            for (let n = 0; n < slots + 2; n += 1) add(tenant);
          });
          while (world.granted.length < grants) {
            await turn();
            for (const [id, grant] of [...world.grants]) {
              world.grants.delete(id);
              add(tenantOf.get(id) ?? 0);
              world.machines.delete(id);
              grant.done({ ok: true, latencyMs: 20 });
            }
          }
          // The first ones found free slots before others had come.
          const counted = world.granted.slice(weights.length * slots);
          weights.forEach((weight, tenant) => {
            const share = counted.filter((id) => tenantOf.get(id) === tenant).length / counted.length;
            expect(Math.abs(share / (weight / total) - 1)).toBeLessThan(0.1);
          });
        },
      ),
      { numRuns: Math.ceil(RUNS / 20) },
    );
  });
});
