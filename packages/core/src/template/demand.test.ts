import { describe, expect, it } from "vitest";
import { Demand } from "./demand.ts";

const HALF_LIFE_MS = 60_000;

describe("demand", () => {
  it("grows with starts, is halved with time, and is forgotten in the end", () => {
    const demand = new Demand(HALF_LIFE_MS);
    expect(demand.machines(0)).toBe(0);
    for (let start = 0; start < 4; start += 1) demand.add(1000);
    expect(demand.machines(1000)).toBe(4);
    expect(demand.machines(1000 + HALF_LIFE_MS)).toBe(2);
    expect(demand.machines(1000 + 3 * HALF_LIFE_MS)).toBe(1);
    expect(demand.machines(1000 + 6 * HALF_LIFE_MS)).toBe(0);
  });

  it("does not grow when the clock goes back", () => {
    const demand = new Demand(HALF_LIFE_MS);
    demand.add(HALF_LIFE_MS);
    expect(demand.machines(0)).toBe(1);
  });
});
