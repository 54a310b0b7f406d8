import { IsthmusError } from "@isthmus/contract";
import { beforeEach, describe, expect, it } from "vitest";
import type { Cloning, Engine, PreparedClone, StartPlan } from "../machine/ports.ts";
import { POOL_LOOK_MS, type PoolSettings, poolDefaults } from "./config.ts";
import { Pools } from "./pools.ts";
import type { PreparedPlaces } from "./ports.ts";
import { Templates } from "./templates.ts";

const GIB = 1024 ** 3;

/** What stands ready, and what became of it. */
class Clone implements PreparedClone {
  readonly #over = Promise.withResolvers<void>();
  readonly ended = this.#over.promise;
  over = false;
  readonly woken: string[] = [];
  wake = ({ id }: StartPlan) => void this.woken.push(id);
  start = () => Promise.reject(new IsthmusError("INTERNAL", { reason: "not asked for here" }));
  async end(): Promise<void> {
    this.over = true;
    this.#over.resolve();
  }
}

class Places implements PreparedPlaces {
  readonly root = "/pool";
  readonly there = new Set<string>();
  readonly given: string[] = [];
  #next = 0;
  refusal: Error | undefined;
  folder = (id: string) => `/pool/${id}`;
  async create() {
    const id = `p${this.#next}`;
    this.#next += 1;
    this.there.add(id);
    return { id, folder: this.folder(id), socketFolder: this.folder(id), outputPath: `${this.folder(id)}/output` };
  }
  async give(id: string, machineId: string): Promise<void> {
    if (this.refusal) throw this.refusal;
    this.there.delete(id);
    this.given.push(machineId);
  }
  async remove(id: string): Promise<void> {
    this.there.delete(id);
  }
  list = async () => [...this.there];
}

let nowMs: number;
let timers: { atMs: number; action: () => void }[];
let freeBytes: number;
let busy: boolean;
let clones: Clone[];
let places: Places;
let pools: Pools;
let engine: Engine;
let templates: Templates;
let settings: { -readonly [key in keyof PoolSettings]: PoolSettings[key] };

const clock = {
  now: () => nowMs,
  after(ms: number, action: () => void) {
    const timer = { atMs: nowMs + ms, action };
    timers.push(timer);
    return () => {
      timers = timers.filter((one) => one !== timer);
    };
  },
};

/** Lets time pass, and what it sets off come to rest. */
async function pass(ms: number): Promise<void> {
  const until = nowMs + ms;
  for (;;) {
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    const next = timers.filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
    if (next === undefined) break;
    timers = timers.filter((one) => one !== next);
    nowMs = next.atMs;
    next.action();
  }
  nowMs = until;
}

beforeEach(() => {
  nowMs = 1_000_000;
  timers = [];
  freeBytes = 8 * GIB;
  busy = false;
  clones = [];
  places = new Places();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const cloning = {
    shape: async () => ({ key: "aa", accelerator: "tcg", parts: {} }),
    make: async () => ({ sizeBytes: 1 }),
    async prepare() {
      const clone = new Clone();
      clones.push(clone);
      return clone;
    },
  } satisfies Cloning;
  const folders = {
    folder: (key: string) => key,
    diskPath: (key: string) => `${key}/disk`,
    load: async () => [],
    root: "/t",
    begin: async () => ({ folder: "/t/making", socketFolder: "/s" }),
    commit: async () => {},
    discard: async () => {},
    update: async () => {},
    remove: async () => {},
  };
  settings = { ...poolDefaults };
  templates = new Templates({ folders, clock, log });
  const capacity = { memoryTotalBytes: () => 16 * GIB, memoryFreeBytes: () => freeBytes, cpus: () => 2, bootId: () => "b" };
  pools = new Pools({ places, templates, clock, capacity, log, busy: () => busy, settings });
  void templates.clear([]);
  void pools.clear([]);
  const none = () => Promise.reject(new IsthmusError("INTERNAL", { reason: "not asked for here" }));
  engine = { name: "test", isolation: "microvm", start: none, adopt: none, processes: async () => [], reap: none, cloning };
  const request = { cloning, shape: { rootfsPath: "/r", cpus: 1, memoryBytes: 1, network: "none" as const }, imageDigest: "sha256:1" };
  return templates.acquire(request, new AbortController().signal).then(() => undefined);
});

const plan = (id: string): StartPlan => ({
  id,
  name: id,
  folder: `/m/${id}`,
  socketFolder: `/s/${id}`,
  rootfsPath: "/r",
  outputPath: `/m/${id}/output`,
  cpus: 1,
  memoryBytes: 1,
  network: "none",
  ports: [],
  hostname: id,
  volumes: [],
  shares: [],
  tmpfs: [],
  workload: { argv: ["true"], env: [], cwd: "/", user: "", tty: false, stdin: false },
});

describe("a pool", () => {
  it("follows the demand: up with starts, to its maximum, and down to nothing", async () => {
    expect(await pools.claim(engine, plan("m1"))).toBeUndefined();
    await pass(1000);
    expect(pools.count("aa")).toBe(1);
    expect(await pools.claim(engine, plan("m2"))).toBe(clones[0]);
    expect([places.given, clones[0]?.woken]).toEqual([["m2"], ["m2"]]);
    for (let index = 0; index < 10; index += 1) await pools.claim(engine, plan(`n${index}`));
    await pass(1000);
    expect(pools.count("aa")).toBe(poolDefaults.max);
    await pass(20 * 60_000);
    expect(pools.count("aa")).toBe(0);
    expect(places.there.size).toBe(0);
    expect(clones.filter(({ over }) => !over)).toHaveLength(places.given.length);
  });

  it("keeps its minimum when nobody asks any more, but not of a template that is gone", async () => {
    settings.min = 2;
    await pools.claim(engine, plan("m1"));
    await pass(20 * 60_000);
    expect(pools.count("aa")).toBe(2);
    freeBytes = GIB / 2;
    await pass(POOL_LOOK_MS);
    expect(pools.count("aa")).toBe(0);
    freeBytes = 8 * GIB;
    await pass(POOL_LOOK_MS + 1000);
    expect(pools.count("aa")).toBe(2);
    await templates.quarantine("aa", new Error("broken"));
    await Promise.all(clones.map((clone) => clone.end()));
    await pass(60_000);
    expect(places.there.size).toBe(0);
  });

  it("is not filled while machines start", async () => {
    busy = true;
    await pools.claim(engine, plan("m1"));
    await pass(3000);
    expect(clones).toHaveLength(0);
    busy = false;
    await pass(1000);
    expect(pools.count("aa")).toBe(1);
  });

  it("is given back when the host's memory runs low, and filled again after", async () => {
    await pools.claim(engine, plan("m1"));
    await pass(1000);
    freeBytes = GIB / 2;
    await pass(POOL_LOOK_MS);
    expect(pools.count("aa")).toBe(0);
    expect(clones[0]?.over).toBe(true);
    freeBytes = 8 * GIB;
    await pass(POOL_LOOK_MS);
    expect(pools.count("aa")).toBe(1);
  });

  it("is given back and stays empty while the host is under pressure", async () => {
    await pools.claim(engine, plan("m1"));
    await pass(1000);
    await pools.hold(true);
    expect([pools.count("aa"), clones[0]?.over]).toEqual([0, true]);
    await pools.claim(engine, plan("m2"));
    await pass(2 * POOL_LOOK_MS);
    expect(pools.count("aa")).toBe(0);
    await pools.hold(false);
    await pass(1000);
    expect(pools.count("aa")).toBeGreaterThan(0);
  });

  it("forgets a clone whose process ended", async () => {
    await pools.claim(engine, plan("m1"));
    await pass(1000);
    await clones[0]?.end();
    await pass(1);
    expect(pools.count("aa")).toBe(0);
    expect(places.there.size).toBe(0);
  });

  it("ends what cannot be given", async () => {
    await pools.claim(engine, plan("m1"));
    await pass(1000);
    places.refusal = new Error("disk full");
    expect(await pools.claim(engine, plan("m3"))).toBeUndefined();
    expect(clones[0]?.over).toBe(true);
  });

  describe("with a zygote", () => {
    let zygote: { over: boolean; forks: string[]; practised: number };
    beforeEach(() => {
      const over = Promise.withResolvers<void>();
      zygote = { over: false, forks: [], practised: 0 };
      const fork = async ({ folder }: { readonly folder: string }) => {
        zygote.forks.push(folder);
        const practise = async () => {
          zygote.practised += 1;
        };
        return Object.assign(new Clone(), { practise });
      };
      const end = async () => {
        zygote.over = true;
        over.resolve();
      };
      const zygotes = { zygote: async () => ({ ended: over.promise, stale: false, fork, end }) };
      engine = { ...engine, cloning: { ...engine.cloning, ...zygotes } as Cloning };
    });

    it("is filled with its forks, which have practised; a start that finds none ready takes another", async () => {
      await pools.claim(engine, plan("m1"));
      await pass(1000);
      expect([pools.count("aa"), zygote.forks.length, zygote.practised, clones.length]).toEqual([1, 1, 1, 0]);
      const fork = (await pools.fork("aa", plan("m2"))) as Clone | undefined;
      expect([fork?.woken, zygote.forks.at(-1), zygote.practised]).toEqual([["m2"], "/m/m2", 1]);
      expect(await pools.fork("bb", plan("m3"))).toBeUndefined();
    });

    it("holds none ready of machines on networks, and forks them when they start", async () => {
      const onNetwork = (id: string): StartPlan => ({ ...plan(id), network: "bridge", nic: { namespace: "n", tap: "t" } });
      await pools.claim(engine, onNetwork("m1"));
      await pass(1000);
      expect(pools.count("aa")).toBe(0);
      expect(await pools.fork("aa", onNetwork("m2"))).toBeDefined();
    });

    it("forks none for a machine with volumes, whose devices a process that runs cannot get", async () => {
      await pools.claim(engine, plan("m1"));
      await pass(1000);
      const volumes = [{ index: 0 }] as unknown as StartPlan["volumes"];
      expect(await pools.fork("aa", { ...plan("m2"), volumes })).toBeUndefined();
    });

    it("gives it back when nobody asks any more, and while the host is under pressure", async () => {
      await pools.claim(engine, plan("m1"));
      await pass(20 * 60_000);
      expect([zygote.over, places.there.size]).toEqual([true, 0]);
      await pools.hold(true);
      await pools.claim(engine, plan("m2"));
      await pass(2 * POOL_LOOK_MS);
      expect(places.there.size).toBe(0);
    });

    it("does without where they are turned off", async () => {
      settings.zygotes = false;
      await pools.claim(engine, plan("m1"));
      await pass(1000);
      expect([pools.count("aa"), zygote.forks.length, clones.length]).toEqual([1, 0, 1]);
    });
  });

  it("ends with the daemon", async () => {
    await pools.claim(engine, plan("m1"));
    await pass(1000);
    await pools.close();
    expect(clones.every(({ over }) => over)).toBe(true);
    await pass(60_000);
    expect(pools.count("aa")).toBe(0);
    expect(timers).toHaveLength(0);
  });
});
