import { GIB, MIB } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { checkMemory, type Holding } from "./capacity.ts";
import type { HostCapacity } from "./ports.ts";

const host = (freeBytes: number, memoryOvercommit?: number): HostCapacity => ({
  memoryTotalBytes: () => 4 * GIB,
  memoryFreeBytes: () => freeBytes,
  cpus: () => 2,
  bootId: () => "b",
  ...(memoryOvercommit === undefined ? {} : { memoryOvercommit }),
});
const machines = (count: number, state: Holding["state"] = "running"): Holding[] =>
  Array.from({ length: count }, (_, index) => ({ id: String(index), state, memoryBytes: 208 * MIB }));
const fits = (count: number, capacity: HostCapacity, state?: Holding["state"]) => () =>
  checkMemory(208 * MIB, machines(count, state), capacity);

describe("memory for machines", () => {
  // 3,840 MiB are theirs, each takes 256.
  it("is promised once, unless overcommitted", () => {
    expect(fits(14, host(0))).not.toThrow();
    expect(fits(15, host(4 * GIB))).toThrow(expect.objectContaining({ code: "NO_CAPACITY" }));
    expect(fits(29, host(4 * GIB, 2))).not.toThrow();
    expect(fits(30, host(4 * GIB, 2))).toThrow(expect.objectContaining({ code: "NO_CAPACITY" }));
  });

  it("that is overcommitted must be free when it is asked for", () => {
    expect(fits(20, host(512 * MIB, 2))).not.toThrow();
    expect(fits(20, host(511 * MIB, 2))).toThrow(expect.objectContaining({ code: "NO_CAPACITY" }));
  });

  it("is given back by machines that are suspended", () => {
    expect(fits(100, host(4 * GIB), "suspended")).not.toThrow();
  });
});
