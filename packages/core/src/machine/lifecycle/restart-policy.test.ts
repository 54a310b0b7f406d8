import { describe, expect, it } from "vitest";
import { type Ended, nextRestart } from "./restart-policy.ts";

const ended = (more: Partial<Ended>): Ended => ({
  restart: { policy: "always" },
  exit: { code: 1 },
  wanted: true,
  ranMs: 0,
  attempts: 0,
  restarts: 0,
  ...more,
});

describe("the restart policy", () => {
  it("backs off from 100 ms to a minute", () => {
    const delays = [0, 1, 5, 9, 10, 1000].map((attempts) => nextRestart(ended({ attempts }))?.delayMs);
    expect(delays).toEqual([100, 200, 3200, 51_200, 60_000, 60_000]);
  });

  it("begins anew after ten seconds of running", () => {
    expect(nextRestart(ended({ attempts: 9, ranMs: 9_999 }))?.attempts).toBe(10);
    expect(nextRestart(ended({ attempts: 9, ranMs: 10_000 }))).toEqual({ delayMs: 100, attempts: 1 });
  });

  it.each<[string, Partial<Ended>, boolean]>([
    ["no policy", { restart: undefined }, false],
    ["policy no", { restart: { policy: "no" } }, false],
    ["stopped by the user", { wanted: false }, false],
    ["always, after success", { exit: { code: 0 } }, true],
    ["on failure, after success", { restart: { policy: "on-failure" }, exit: { code: 0 } }, false],
    ["on failure, after failure", { restart: { policy: "on-failure" } }, true],
    ["on failure, not even started", { restart: { policy: "on-failure" }, exit: undefined }, true],
    ["unless stopped, after success", { restart: { policy: "unless-stopped" }, exit: { code: 0 } }, true],
    ["unless stopped, and it was", { restart: { policy: "unless-stopped" }, wanted: false }, false],
    ["always, after the host's restart", { exit: { code: 125, reason: "host-rebooted" } }, true],
    ["on failure, after the host's restart", { restart: { policy: "on-failure" }, exit: { code: 125, reason: "host-rebooted" } }, false],
    ["on failure, without its process", { restart: { policy: "on-failure" }, exit: { code: 125, reason: "vmm-died" } }, true],
    ["retries left", { restart: { policy: "on-failure", maxRetries: 3 }, restarts: 2 }, true],
    ["retries used up, however long each ran", { restart: { policy: "on-failure", maxRetries: 3 }, restarts: 3, ranMs: 60_000 }, false],
  ])("%s", (_, more, restarts) => {
    expect(nextRestart(ended(more)) !== undefined).toBe(restarts);
  });
});
