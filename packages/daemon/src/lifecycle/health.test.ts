import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { type FakeRun, quiet } from "./fake-host.fixture.ts";

let daemon: FakeDaemon;
let next: FakeRun;
let ran: string[];
beforeEach(() => {
  daemon = new FakeDaemon();
  next = { output: "fine", code: 0 };
  ran = [];
  daemon.host.runs = (id, command) => {
    ran.push(`${id} ${command.join(" ")}`);
    return next;
  };
});
afterEach(() => daemon.remove());

const test = ["CMD", "works"];
const spec = { image: "busybox", name: "m", healthcheck: { test, intervalMs: 1000, timeoutMs: 500, retries: 2 } };
const health = () => daemon.machines.get("m").health;

async function told(): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { details } of daemon.machines.events({ types: ["health"] })) found.push(details.status);
  return found;
}

describe("a health check", () => {
  it("makes a machine healthy, unhealthy after as many failures as it may have, and healthy again, each told once", async () => {
    await daemon.machines.create(spec, { start: true });
    expect(health()).toEqual({ status: "starting", failingStreak: 0, log: [] });
    await daemon.clock.advance(1000);
    expect(health()).toMatchObject({ status: "healthy", log: [{ exitCode: 0, output: "fine" }] });
    next = { output: "x".repeat(10_000), code: 3 };
    await daemon.clock.advance(1000);
    expect(health()).toMatchObject({ status: "healthy", failingStreak: 1 });
    await daemon.clock.advance(9000);
    expect(health()).toMatchObject({ status: "unhealthy", failingStreak: 10 });
    expect(health()?.log.map(({ exitCode, output }) => [exitCode, output.length])).toEqual(Array.from({ length: 5 }, () => [3, 4096]));
    expect((await daemon.machines.list({ limit: 9, health: ["unhealthy"] })).machines).toHaveLength(1);
    expect((await daemon.machines.list({ limit: 9, health: ["healthy", "none"] })).machines).toHaveLength(0);
    next = { output: "", code: 0 };
    await daemon.clock.advance(1000);
    expect([health()?.status, health()?.failingStreak]).toEqual(["healthy", 0]);
    expect(await told()).toEqual(["healthy", "unhealthy", "healthy"]);
  });

  it("that does not end in time is ended, and has failed", async () => {
    next = { output: "half", code: undefined };
    await daemon.machines.create(spec, { start: true });
    await daemon.clock.advance(3000);
    expect(health()).toMatchObject({ status: "unhealthy", log: [{ exitCode: -1, output: "it did not end within 500 ms\nhalf" }, {}] });
  });

  it("costs the store nothing while nothing changes", async () => {
    await daemon.machines.create(spec, { start: true });
    await daemon.clock.advance(1000);
    const written = daemon.store.machine("m");
    await daemon.clock.advance(20_000);
    expect(daemon.store.machine("m")).toEqual(written);
    expect(ran).toHaveLength(21);
  });

  it("goes on in the next daemon, after a suspension and in a clone, and pauses with the machine", async () => {
    await daemon.machines.create(spec, { start: true });
    await daemon.clock.advance(1000);
    await daemon.crash();
    expect(health()?.status).toBe("healthy");
    next = { output: "", code: 1 };
    await daemon.clock.advance(2000);
    expect(health()?.status).toBe("unhealthy");
    await daemon.machines.pause("m");
    const before = ran.length;
    await daemon.clock.advance(10_000);
    expect(ran).toHaveLength(before);
    await daemon.machines.unpause("m");
    await daemon.machines.suspend("m");
    await daemon.clock.advance(10_000);
    expect(ran).toHaveLength(before);
    await daemon.machines.resume("m");
    expect(health()?.status).toBe("unhealthy");
    next = { output: "", code: 0 };
    await daemon.clock.advance(1000);
    expect(health()?.status).toBe("healthy");
    const [clone] = await daemon.machines.clone({ machine: "m" });
    expect(clone?.health?.status).toBe("starting");
    await daemon.clock.advance(1000);
    expect(daemon.machines.get(clone?.id ?? "").health?.status).toBe("healthy");
    await daemon.machines.stop("m");
    const after = ran.filter((one) => !one.startsWith(clone?.id ?? "")).length;
    await daemon.clock.advance(10_000);
    expect(ran.filter((one) => !one.startsWith(clone?.id ?? ""))).toHaveLength(after);
  });

  it("forgives failures of the start period, and looks more often in it", async () => {
    next = { output: "", code: 1 };
    const check = { ...spec.healthcheck, intervalMs: 10_000, startPeriodMs: 5000, startIntervalMs: 500 };
    await daemon.machines.create({ ...spec, healthcheck: check }, { start: true });
    await daemon.clock.advance(4000);
    expect([ran.length, health()?.status, health()?.failingStreak]).toEqual([8, "starting", 0]);
    next = { output: "", code: 0 };
    await daemon.clock.advance(500);
    expect(health()?.status).toBe("healthy");
  });

  it("of many machines are a few at a time", async () => {
    next = { output: "", code: undefined };
    daemon.cpus = 64;
    await daemon.restart();
    for (let one = 0; one < 20; one += 1) await daemon.machines.create({ ...spec, name: `m${one}` }, { start: true });
    await daemon.clock.advance(1000);
    expect(ran).toHaveLength(8);
    next = { output: "", code: 0 };
    await daemon.clock.advance(500);
    await quiet();
    expect(new Set(ran).size).toBe(20);
  });
});
