import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { plot } from "./plot.ts";
import { parseScenario, type Scenario } from "./scenario.ts";
import { simulate } from "./simulate.ts";

const scenario = (name: string) => parseScenario(JSON.parse(readFileSync(new URL(`../scenarios/${name}.json`, import.meta.url), "utf8")));
const burst = (starts: number) => ({ arrivals: { pattern: "burst", starts }, runs: { distribution: "fixed", ms: 1_000 } }) as const;
const small: Scenario = {
  name: "small",
  durationMs: 60_000,
  hosts: { count: 1, cpus: 2, memoryGib: 24, startCpuMs: 100 },
  tenants: [{ name: "a", ...burst(10) }],
};

describe("a simulation", () => {
  it("is the same for the same seed, and another for another", async () => {
    const steady: Scenario = {
      ...small,
      tenants: [{ name: "a", arrivals: { pattern: "steady", perMinute: 300 }, runs: { distribution: "serverless" } }],
    };
    const [one, again, other] = await Promise.all([simulate(steady), simulate(steady), simulate({ ...steady, seed: 2 })]);
    expect(one).toEqual(again);
    expect(one.starts).not.toEqual(other.starts);
    expect(one.asked).toBeGreaterThan(200);
  });

  it("of a storm gives tenants their shares while all of them wait, and loses no start", async () => {
    const storm = scenario("storm");
    const whole = await simulate({ ...storm, durationMs: 600_000 });
    expect(whole.ran).toBe(300);
    expect(whole.fairness).toBeGreaterThan(0.98);
    const { tenants } = await simulate({ ...storm, durationMs: 25_000 });
    const ran = tenants.reduce((sum, one) => sum + one.ran, 0);
    expect(tenants.every(({ waiting }) => waiting > 0)).toBe(true);
    for (const one of tenants) expect(Math.abs(one.ran / ran / (one.weight / 7) - 1)).toBeLessThan(0.15);
  });

  it("shows that a thousand starts of one tenant delay another's one by its share at most", async () => {
    const alone = await simulate({ ...small, tenants: [{ name: "quiet", ...burst(1) }] });
    const flooded = await simulate({
      ...small,
      tenants: [
        { name: "flood", ...burst(1_000), maxWaitMs: 60_000 },
        { name: "quiet", arrivals: { pattern: "burst", starts: 1, atMs: 5_000 }, runs: { distribution: "fixed", ms: 1_000 } },
      ],
    });
    const quiet = flooded.tenants.find(({ tenant }) => tenant === "quiet");
    const inFlight = flooded.latencyMs.p50 === 0 ? 0 : (quiet?.latencyMs.p99 ?? 0) / alone.latencyMs.p99;
    expect(quiet?.ran).toBe(1);
    expect(inFlight).toBeLessThan(10);
    expect(flooded.tenants[0]?.latencyMs.p99).toBeGreaterThan(10 * (quiet?.latencyMs.p99 ?? 0));
  });

  it("shows what too many starts at once cost, and that the adaptive limiter finds out", async () => {
    const storm = {
      ...small,
      hosts: { ...small.hosts, thrash: 0.5 },
      durationMs: 600_000,
      tenants: [{ name: "a", ...burst(400), maxWaitMs: 600_000 }],
    };
    const adaptive = await simulate(storm);
    const flooded = await simulate({ ...storm, limits: { limiter: "static", startsInFlight: 64 } });
    expect(adaptive.ran).toBe(400);
    expect(adaptive.startsPerSecond).toBeGreaterThan(2 * flooded.startsPerSecond);
  });

  it("plays a thousand hosts", async () => {
    const report = await simulate({ ...scenario("thousand-hosts"), durationMs: 3_000 });
    expect(report.asked).toBeGreaterThan(2_000);
    expect(report.ran / report.asked).toBeGreaterThan(0.9);
    expect(plot(report)).toMatch(/^<svg[\s\S]*<\/svg>\n$/);
  });

  it("names the field that is wrong", () => {
    const bad = (change: object) => () => parseScenario({ ...small, ...change });
    expect(bad({ durationMs: -1 })).toThrow(/durationMs/);
    expect(bad({ hosts: { ...small.hosts, cpus: "many" } })).toThrow(/hosts\.cpus/);
    expect(bad({ colour: 1 })).toThrow(/INVALID|field|colour|scenario/i);
    expect(() => parseScenario(7)).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
  });
});
