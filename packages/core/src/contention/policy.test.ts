import type { Measure } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CALM_MS, LOOK_MS, RAISE_MS } from "./config.ts";
import { ladder } from "./ladder.ts";
import type { Look, PolicyMachine } from "./look.ts";
import { Contention, type Step } from "./policy.ts";

interface Stalls {
  readonly cpu: number;
  readonly memory: number;
  readonly io: number;
}

const none: Stalls = { cpu: 0, memory: 0, io: 0 };

function look(atMs: number, { cpu, memory, io }: Stalls, machines: readonly PolicyMachine[] = []): Look {
  const stall = (value: number) => ({ some10: value, some60: value, full10: value, full60: value });
  return {
    atMs,
    machines,
    facts: {
      cpus: 2,
      memoryTotalBytes: 1000,
      memoryAvailableBytes: 500,
      diskFreeBytes: 1,
      processesLeft: 1,
      descriptorsLeft: 1,
      pressure: { source: "psi", atMs, cpu: stall(cpu), memory: stall(memory), io: stall(io) },
    },
  };
}

function machine(id: string, changes: Partial<PolicyMachine> = {}): PolicyMachine {
  const use = {
    id,
    name: id,
    cpuPart: 0,
    memoryBytes: 100,
    memorySource: "cgroup",
    readBytesPerSecond: 0,
    writeBytesPerSecond: 0,
    operationsPerSecond: 0,
  } as const;
  return {
    id,
    name: id,
    pid: 1,
    state: "running",
    priority: "normal",
    evictable: false,
    resources: {},
    sessions: 0,
    idle: false,
    use,
    ...changes,
  };
}

type TimedStep = Step & { readonly atMs: number };

/** Looks, one each LOOK_MS; machines that are suspended or stopped are gone until they go on. */
function play(stalls: readonly Stalls[], machines: readonly PolicyMachine[]): { steps: TimedStep[]; policy: Contention } {
  const policy = new Contention();
  const steps: TimedStep[] = [];
  const away = new Set<string>();
  for (const [index, one] of stalls.entries()) {
    const atMs = index * LOOK_MS;
    for (const step of policy.look(
      look(
        atMs,
        one,
        machines.filter(({ id }) => !away.has(id)),
      ),
    ).steps) {
      steps.push({ ...step, atMs });
      if (step.measure !== "suspend" && step.measure !== "evict") continue;
      for (const id of step.targets)
        if (step.take) away.add(id);
        else if (step.measure === "suspend") away.delete(id);
    }
  }
  return { steps, policy };
}

const forMs = (ms: number, stalls: Stalls): Stalls[] => Array.from({ length: Math.ceil(ms / LOOK_MS) }, () => stalls);
const mix = [
  machine("idle-low", { priority: "low", idle: true }),
  machine("busy-low", { priority: "low" }),
  machine("normal", { idle: true }),
  machine("high", { priority: "high" }),
  machine("guest", { evictable: true }),
];

describe("measures under pressure", () => {
  it("come in order, each only when the one before did not help, and are undone in the opposite order", () => {
    const { steps, policy } = play([...forMs(120_000, { ...none, memory: 80 }), ...forMs(300_000, none)], mix);
    expect(steps.map(({ measure, take, targets }) => [take ? "take" : "undo", measure, targets.join(" ")])).toEqual([
      ["take", "pools", ""],
      ["take", "reclaim", "idle-low"],
      ["take", "reclaim", "normal"],
      ["take", "suspend", "idle-low"],
      ["take", "refuse", ""],
      ["take", "evict", "guest"],
      ["undo", "evict", "guest"],
      ["undo", "refuse", ""],
      ["undo", "suspend", "idle-low"],
      ["undo", "reclaim", "idle-low normal"],
      ["undo", "pools", ""],
    ]);
    expect(policy.measures).toEqual([]);
    expect(steps.every(({ reason }) => /^memory: some \d+\.\d %, full/.test(reason))).toBe(true);
  });

  it("against a busy processor are lower weights of low priority and nothing else", () => {
    const { steps } = play([...forMs(60_000, { ...none, cpu: 95 }), ...forMs(60_000, none)], mix);
    expect(steps.map(({ measure, take, targets }) => [measure, take, targets])).toEqual([
      ["weights", true, ["idle-low", "busy-low"]],
      ["weights", false, ["idle-low", "busy-low"]],
    ]);
  });

  it("wait for pressure that lasts", () => {
    expect(play(forMs(RAISE_MS - LOOK_MS, { ...none, memory: 100 }), mix).steps).toEqual([]);
  });

  it("are taken over for machines that an earlier daemon suspended, which go on when it is calm", () => {
    const policy = new Contention(["a", "b"]);
    const undone = forMs(60_000, none).flatMap((one, index) => policy.look(look(index * LOOK_MS, one)).steps);
    expect(undone.map(({ measure, take, targets }) => [measure, take, targets])).toEqual([
      ["suspend", false, ["b"]],
      ["suspend", false, ["a"]],
    ]);
  });
});

const percent = fc.oneof(fc.constant(0), fc.constant(100), fc.integer({ min: 0, max: 100 }));
const history = fc
  .array(fc.record({ looks: fc.integer({ min: 1, max: 40 }), cpu: percent, memory: percent, io: percent }), { minLength: 1, maxLength: 40 })
  .map((parts) => parts.flatMap(({ looks, ...stalls }) => Array.from({ length: looks }, () => stalls)));
const fleet = fc
  .array(
    fc.record({
      priority: fc.constantFrom("low", "normal", "high"),
      evictable: fc.boolean(),
      idle: fc.boolean(),
      bytes: fc.integer({ min: 1, max: 1000 }),
    }),
    { maxLength: 8 },
  )
  .map((all) =>
    all.map(({ bytes, ...rest }, index) => {
      const one = machine(`m${index}`, rest);
      return { ...one, use: { ...one.use, memoryBytes: bytes } };
    }),
  );
const rank = (measure: Measure) => ladder.findIndex((rung) => rung.measure === measure);

describe("any history of pressure", () => {
  it("stops no machine whose spec does not allow it, and suspends only idle ones of low priority", () => {
    fc.assert(
      fc.property(history, fleet, (stalls, machines) => {
        for (const { measure, targets, take } of play(stalls, machines).steps) {
          const touched = machines.filter(({ id }) => targets.includes(id));
          if (measure === "evict" && take) expect(touched.every(({ evictable }) => evictable)).toBe(true);
          if (measure === "suspend") expect(touched.every(({ priority, idle }) => priority === "low" && idle)).toBe(true);
        }
      }),
    );
  });

  it("takes a measure only when all gentler ones against the same thing are in force or have nobody left", () => {
    fc.assert(
      fc.property(history, fleet, (stalls, machines) => {
        const inForce = new Set<Measure>();
        for (const { measure, take } of play(stalls, machines).steps) {
          if (take) {
            const rung = ladder[rank(measure)];
            const gentler = ladder
              .slice(0, rank(measure))
              .filter(({ helps, targets }) => !targets && helps.some((kind) => rung?.helps.includes(kind)));
            // `refuse` is of no use against what `evict` alone helps against, and so on: one common kind is enough to ask for.
            if (rung?.helps.length === 1) expect(gentler.every((one) => inForce.has(one.measure))).toBe(true);
            inForce.add(measure);
          } else inForce.delete(measure);
        }
      }),
    );
  });

  it("does not flap: what is taken stays for a while, and steps keep their distance", () => {
    fc.assert(
      fc.property(history, fleet, (stalls, machines) => {
        const { steps } = play(stalls, machines);
        const taken = new Map<Measure, number>();
        for (const [index, { atMs, measure, take }] of steps.entries()) {
          const before = steps[index - 1];
          if (before) expect(atMs - before.atMs).toBeGreaterThanOrEqual(RAISE_MS);
          if (take) taken.set(measure, atMs);
          else expect(atMs - (taken.get(measure) ?? atMs)).toBeGreaterThanOrEqual(CALM_MS);
        }
      }),
    );
  });

  it("is undone as a whole once there is calm, machines and all", () => {
    fc.assert(
      fc.property(history, fleet, (stalls, machines) => {
        const { steps, policy } = play([...stalls, ...forMs(3_600_000, none)], machines);
        expect([policy.measures, policy.pressed]).toEqual([[], []]);
        const suspended = (take: boolean) =>
          steps.filter((step) => step.measure === "suspend" && step.take === take).flatMap(({ targets }) => targets);
        expect(suspended(false).sort()).toEqual(suspended(true).sort());
        const lowered = new Set<string>();
        for (const { measure, take, targets } of steps) {
          if (measure === "weights") for (const id of targets) take ? lowered.add(id) : lowered.delete(id);
        }
        expect([...lowered]).toEqual([]);
      }),
    );
  });
});

describe("a noisy neighbour", () => {
  const burner = machine("burner");
  const burning = { ...burner, use: { ...burner.use, cpuPart: 1.6 } };
  const quiet = machine("quiet");

  it("is named once with its share, and again only when it had been quiet", () => {
    const policy = new Contention();
    const named: unknown[] = [];
    const go = (from: number, to: number, machines: PolicyMachine[]) => {
      for (let at = from; at < to; at += LOOK_MS) named.push(...policy.look(look(at, { ...none, cpu: 90 }, machines)).noisy);
    };
    go(0, 40_000, [burning, quiet]);
    expect(named).toEqual([{ kind: "cpu", id: "burner", name: "burner", share: 1, use: 1.6 }]);
    go(40_000, 50_000, [burner, quiet]);
    go(50_000, 60_000, [burning, quiet]);
    expect(named).toHaveLength(2);
  });

  it("is nobody without pressure, without neighbours, or where all take the same", () => {
    const looks = (stalls: Stalls, machines: PolicyMachine[]) => {
      const policy = new Contention();
      return forMs(60_000, stalls).flatMap((one, index) => policy.look(look(index * LOOK_MS, one, machines)).noisy);
    };
    expect(looks(none, [burning, quiet])).toEqual([]);
    expect(looks({ ...none, cpu: 90 }, [burning])).toEqual([]);
    expect(
      looks(
        { ...none, cpu: 90 },
        ["a", "b", "c"].map((id) => ({ ...burning, id })),
      ),
    ).toEqual([]);
  });
});
