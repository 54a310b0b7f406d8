import { GIB, type HostFacts, IsthmusError } from "@isthmus/contract";
import { ContentionWatcher, type MachineGroups } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";

const calm = { some10: 0, some60: 0, full10: 0, full60: 0 };
const pressing = { some10: 90, some60: 90, full10: 90, full60: 90 };

let daemon: FakeDaemon;
let watcher: ContentionWatcher;
let pressed: "memory" | "cpu" | undefined;
let weights: string[];
let reclaimed: number[];

beforeEach(() => {
  daemon = new FakeDaemon();
  pressed = undefined;
  [weights, reclaimed] = [[], []];
});
afterEach(async () => {
  await watcher.close();
  daemon.remove();
});

const groups: MachineGroups = {
  shortcomings: [],
  open: () => ({ files: [], entered() {}, discard() {} }),
  enter() {},
  limit: () => [],
  weigh: (pid, { cpuWeight }) => void weights.push(`${pid} ${cpuWeight ?? "its own"}`),
  memoryBytes: () => undefined,
  reclaim: async (pid, bytes) => {
    reclaimed.push(pid);
    return bytes;
  },
  leave() {},
  sweep: () => 0,
  settled: async () => {},
};

function facts(): HostFacts {
  const pressure = { source: "psi", atMs: 0, cpu: calm, memory: calm, io: calm } as const;
  return {
    cpus: 2,
    memoryTotalBytes: 8 * GIB,
    memoryAvailableBytes: 4 * GIB,
    diskFreeBytes: GIB,
    processesLeft: 1000,
    descriptorsLeft: 1000,
    pressure: pressed === undefined ? pressure : { ...pressure, [pressed]: pressing },
  };
}

function watch(): void {
  const use = {
    cpuPart: 0,
    memoryBytes: 1000,
    memorySource: "rss",
    readBytesPerSecond: 0,
    writeBytesPerSecond: 0,
    operationsPerSecond: 0,
  } as const;
  watcher = new ContentionWatcher({
    gauge: { facts },
    meter: { measure: async (machines) => machines.map(({ id, name }) => ({ id, name, ...use })) },
    groups,
    actions: daemon.machines.contention,
    clock: daemon.clock,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    enabled: true,
  });
  watcher.start();
}

const state = (name: string) => daemon.machines.get(name).state;

async function measures(): Promise<string[]> {
  const found: string[] = [];
  for await (const { type, details } of daemon.machines.events({ afterSeq: 0 })) {
    if (type.startsWith("host.measure")) found.push(`${type.slice("host.measure-".length)} ${String(details.measure)}`);
  }
  return found;
}

describe("a host whose memory is short", () => {
  it("suspends idle machines of low priority and refuses starts, and takes it all back", async () => {
    await daemon.machines.create({ image: "busybox", name: "low", priority: "low" }, { start: true });
    await daemon.machines.create({ image: "busybox", name: "normal" }, { start: true });
    watch();
    await daemon.clock.advance(40_000);
    expect((await watcher.report()).machines.map(({ name }) => name).sort()).toEqual(["low", "normal"]);
    pressed = "memory";
    await daemon.clock.advance(60_000);
    expect([state("low"), state("normal")]).toEqual(["suspended", "running"]);
    expect(reclaimed.length).toBe(2);
    expect(await watcher.report()).toMatchObject({ pressed: ["memory"], measures: ["pools", "reclaim", "suspend", "refuse"] });
    const refused = await daemon.machines.create({ image: "busybox" }, { start: true }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(IsthmusError);
    expect(refused).toMatchObject({ code: "HOST_PRESSURE", status: 507, message: expect.stringContaining("memory: some 90.0 %") });
    for (let times = 0; times < 3; times += 1)
      await expect(daemon.machines.resume("low")).rejects.toThrow(expect.objectContaining({ code: "HOST_PRESSURE" }));
    expect(daemon.machines.why("low").reasons.join("\n")).toMatch(/its last resume failed: this host is under pressure/);
    pressed = undefined;
    await daemon.clock.advance(120_000);
    expect([state("low"), state("normal")]).toEqual(["running", "running"]);
    await daemon.machines.create({ image: "busybox", name: "later" }, { start: true });
    expect(await measures()).toEqual([
      "taken pools",
      "taken reclaim",
      "taken reclaim",
      "taken suspend",
      "taken refuse",
      "undone refuse",
      "undone suspend",
      "undone reclaim",
      "undone pools",
    ]);
  });

  it("lets itself resume what it refuses to its users", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", name: "m" }, { start: true });
    const { contention } = daemon.machines;
    await contention.suspend(id);
    contention.refuse("memory is short");
    await expect(daemon.machines.resume("m")).rejects.toThrow(expect.objectContaining({ code: "HOST_PRESSURE" }));
    await contention.resume(id);
    expect(state("m")).toBe("running");
  });

  it("stops the machine that allows it at last, and no other", async () => {
    await daemon.machines.create({ image: "busybox", name: "spare", evictable: true }, { start: true });
    await daemon.machines.create({ image: "busybox", name: "kept", priority: "low" }, { start: true });
    watch();
    pressed = "memory";
    await daemon.clock.advance(60_000);
    expect([state("spare"), state("kept")]).toEqual(["exited", expect.stringMatching(/running|suspended/)]);
    await expect(daemon.machines.contention.evict(daemon.machines.get("kept").id)).rejects.toMatchObject({ code: "STATE_CONFLICT" });
  });

  it("lets what an earlier daemon suspended go on", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", name: "low" }, { start: true });
    await daemon.machines.create({ image: "busybox", name: "asked" }, { start: true });
    await daemon.machines.contention.suspend(id);
    await daemon.machines.suspend("asked");
    await daemon.crash();
    watch();
    await daemon.clock.advance(20_000);
    expect([state("low"), state("asked")]).toEqual(["running", "suspended"]);
  });
});

describe("a host whose processors are short", () => {
  it("gives low priority a tenth of its weight, and its own again", async () => {
    const { pid } = await daemon.machines.create({ image: "busybox", priority: "low", resources: { cpuWeight: 50 } }, { start: true });
    await daemon.machines.create({ image: "busybox", name: "other" }, { start: true });
    watch();
    pressed = "cpu";
    await daemon.clock.advance(20_000);
    expect(weights).toEqual([`${pid} 5`]);
    pressed = undefined;
    await daemon.clock.advance(60_000);
    expect(weights).toEqual([`${pid} 5`, `${pid} 50`]);
  });
});
