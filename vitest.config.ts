import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tests/longest-first.ts";

/** How long something is waited for that comes by itself: a busy host may stand still for seconds. */
const poll = { timeout: 30_000 };

export default defineConfig({
  test: {
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/**/*.test.ts", "tests/rules/*.test.ts"],
          exclude: ["**/*.system.test.ts", "**/node_modules/**"],
          expect: { poll },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "system",
          include: ["packages/**/*.system.test.ts", "tests/{e2e,faults}/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          expect: { poll },
          testTimeout: 600_000,
          hookTimeout: 600_000,
          globalSetup: ["tests/seed.ts"],
          setupFiles: ["tests/leaks/setup.ts"],
        },
      },
    ],
  },
});
