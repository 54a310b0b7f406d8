import type { HostFacts } from "@isthmus/contract";
import { expect, it } from "vitest";
import { levelOf } from "./pressed.ts";

const stall = { some10: 30, some60: 30, full10: 20, full60: 20 };

function facts(memoryAvailableBytes: number): HostFacts {
  const pressure = { source: "psi" as const, atMs: 0, cpu: stall, memory: stall, io: stall };
  return { cpus: 2, memoryTotalBytes: 1000, memoryAvailableBytes, diskFreeBytes: 1, processesLeft: 1, descriptorsLeft: 1, pressure };
}

it.each([
  [590, "pressed"],
  [600, "calm"],
])("memory that stalls with %i of 1000 available is %s: above, it is machines at limits of their own", (available, level) => {
  expect(levelOf("memory", facts(available)).level).toBe(level);
  expect(levelOf("io", facts(available)).level).toBe("between");
});
