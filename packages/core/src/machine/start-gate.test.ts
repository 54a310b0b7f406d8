import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StartGate } from "./start-gate.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("the start gate", () => {
  it("lets in first come, first served, and never more than its slots", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.boolean(), { maxLength: 30 }), async (slots, script) => {
        const gate = new StartGate(slots);
        const order: number[] = [];
        const held: (() => void)[] = [];
        for (const [index, arrive] of script.entries()) {
          if (arrive) void gate.acquire(new AbortController().signal).then((release) => order.push(index) && held.push(release));
          else held.shift()?.();
          await turn();
          expect(gate.inFlight).toBeLessThanOrEqual(slots);
          expect(gate.inFlight).toBe(held.length);
        }
        expect(order).toEqual([...order].sort((a, b) => a - b));
      }),
      { numRuns: 50 },
    );
  });

  it("gives a slot back once, however often it is given back", async () => {
    const gate = new StartGate(1);
    const release = await gate.acquire(new AbortController().signal);
    release();
    release();
    expect(gate.inFlight).toBe(0);
  });

  it("forgets who stopped waiting", async () => {
    const gate = new StartGate(1);
    const release = await gate.acquire(new AbortController().signal);
    const controller = new AbortController();
    const waiting = gate.acquire(controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    release();
    await expect(gate.acquire(new AbortController().signal)).resolves.toBeTypeOf("function");
  });

  it("lets nobody in once it is closed", async () => {
    const gate = new StartGate(1);
    gate.close();
    let entered = false;
    void gate.acquire(new AbortController().signal).then(() => {
      entered = true;
    });
    await turn();
    expect(entered).toBe(false);
  });
});
