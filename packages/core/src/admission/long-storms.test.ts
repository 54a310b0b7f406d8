import { describe, expect, it } from "vitest";
import { GATHER_MS, IDLE_TENANTS_MAX } from "./config.ts";
import { StartLimiter } from "./limiter.ts";
import { FairQueue } from "./queue.ts";
import { request, turn, World } from "./world.fixture.ts";

describe("admission in a storm that goes on", () => {
  it("reaches what fits behind more than SCAN_MAX that do not fit", () => {
    const world = new World({ machinesPerImage: 1, startsInFlight: 10 });
    world.enter(request("x0", { imageDigest: "sha256:x", maxWaitMs: 1e7 }));
    for (let n = 1; n <= 300; n += 1) world.enter(request(`x${n}`, { imageDigest: "sha256:x", maxWaitMs: 1e7 }));
    world.enter(request("y", { imageDigest: "sha256:y", maxWaitMs: 1e7 }));
    // lets the timers run that are due, at most 1,000 of them: they are set again with 0 ms
    let fired = 0;
    const after = world.after.bind(world);
    world.after = (ms, action) =>
      after(ms, () => {
        fired += 1;
        if (fired < 1_000) action();
      });
    world.admission.changed();
    world.advance(5_000);
    expect({ granted: world.granted, spins: fired >= 1_000 }).toEqual({ granted: ["x0", "y"], spins: false });
  });

  it("does not refuse by a shortage that has gone, when only a start slot is awaited", async () => {
    const world = new World({ machinesPerImage: 1, startsInFlight: 2 });
    world.enter(request("a", { imageDigest: "sha256:x" }));
    world.enter(request("b", { imageDigest: "sha256:x", maxWaitMs: 5_000 }));
    expect(world.granted).toEqual(["a"]);
    world.enter(request("c", { imageDigest: "sha256:y" }));
    world.advance(GATHER_MS);
    world.end("a");
    expect(world.granted).toEqual(["a", "c"]);
    world.advance(6_000);
    await turn();
    expect(world.refused.get("b")).toBeUndefined();
    expect(world.admission.position("b")?.cause).toBe("start-slots");
  });

  it("owes nothing to a tenant that its own quota kept waiting", async () => {
    const world = new World({ startsInFlight: 1 });
    world.quotas.set("a", { weight: 1, machines: 1 });
    world.enter(request("a-first", { tenant: "a" }));
    await turn();
    world.grants.get("a-first")?.done({ ok: true, latencyMs: 1 });
    for (let n = 0; n < 100; n += 1) world.enter(request(`a${n}`, { tenant: "a", maxWaitMs: 1e7 }));
    for (let n = 0; n < 300; n += 1) world.enter(request(`b${n}`, { tenant: "b", maxWaitMs: 1e7 }));
    world.advance(GATHER_MS);
    const serve = async (starts: number) => {
      const from = world.granted.length;
      for (let n = 0; n < starts; n += 1) {
        await turn();
        const id = world.granted.at(-1) ?? "";
        world.grants.get(id)?.done({ ok: true, latencyMs: 1 });
        if (id.startsWith("b")) world.end(id);
      }
      return world.granted.slice(from);
    };
    await serve(100);
    world.quotas.set("a", { weight: 1 });
    const later = await serve(60);
    expect(later.filter((id) => id.startsWith("b")).length).toBeGreaterThan(20);
  });

  it("follows the disk that is free, not what was free when the daemon began", () => {
    class Disk extends World {
      free = 2 ** 20;
      override facts() {
        return { ...super.facts(), diskFreeBytes: this.free ?? 2 ** 20 };
      }
    }
    const world = new Disk();
    world.free = 2 ** 40;
    expect(() => world.admission.check(request("a", { diskBytes: 2 ** 30 }))).not.toThrow();
    world.free = 0;
    expect(() => world.admission.check(request("a", { diskBytes: 2 ** 30 }))).toThrow(expect.objectContaining({ code: "DISK_FULL" }));
  });

  it("the limiter stays near what helps in a storm that goes on", () => {
    const limiter = new StartLimiter({ limiter: "adaptive", startsInFlight: 2, startsInFlightMax: 128 });
    const seen: number[] = [];
    for (let n = 0; n < 40_000; n += 1) {
      const latencyMs = 100 * Math.max(1, limiter.limit / 2);
      limiter.sample({ ok: true, latencyMs, kind: "clone" }, limiter.limit, undefined, n);
      if (n % 2_000 === 0) seen.push(limiter.limit);
    }
    expect(Math.max(...seen)).toBeLessThanOrEqual(16);
  });

  it("forgets tenants, though each of them starts once only and others wait", () => {
    const queue = new FairQueue<{ request: ReturnType<typeof request> }>();
    queue.add({ request: request("waits", { tenant: "waits" }) }, 1);
    for (let n = 0; n < 3 * IDLE_TENANTS_MAX; n += 1) {
      queue.add({ request: request(`m${n}`, { tenant: `tenant-${n}` }) }, 1);
      queue.serve(`m${n}`);
    }
    expect(queue.known).toBeLessThanOrEqual(IDLE_TENANTS_MAX);
    expect(queue.tenants()).toEqual([{ tenant: "waits", waiting: 1, weight: 1 }]);
  });
});
