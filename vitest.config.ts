import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tests/longest-first.ts";

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
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "system",
          include: ["packages/**/*.system.test.ts", "tests/{e2e,faults}/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          globalSetup: ["tests/seed.ts"],
          setupFiles: ["tests/leaks/setup.ts"],
        },
      },
    ],
  },
});
