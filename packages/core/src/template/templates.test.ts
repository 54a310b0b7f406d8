import { IsthmusError, type Template } from "@isthmus/contract";
import { beforeEach, describe, expect, it } from "vitest";
import type { Cloning } from "../machine/ports.ts";
import { QUARANTINE_MS, TEMPLATES_MAX } from "./config.ts";
import type { TemplateFolders } from "./ports.ts";
import type { GuestShape, Making } from "./shape.ts";
import { Templates } from "./templates.ts";

const shape: GuestShape = { rootfsPath: "/r", cpus: 1, memoryBytes: 1, network: "none" };
const never = new AbortController().signal;

/** Folders in memory. */
class Folders implements TemplateFolders {
  readonly stored = new Map<string, Template>();
  making = 0;
  folder = (key: string) => `/t/${key}`;
  diskPath = (key: string) => `/t/${key}/disk`;
  load = async () => [...this.stored.values()];
  readonly root = "/t";
  async begin(): Promise<Making> {
    this.making += 1;
    return { folder: `/t/making-${this.making}`, socketFolder: "/s" };
  }
  async commit(_making: Making, template: Template): Promise<void> {
    this.making -= 1;
    this.stored.set(template.key, template);
  }
  async discard(): Promise<void> {
    this.making -= 1;
  }
  async update(template: Template): Promise<void> {
    this.stored.set(template.key, template);
  }
  async remove(key: string): Promise<void> {
    this.stored.delete(key);
  }
}

let folders: Folders;
let nowMs: number;
let made: PromiseWithResolvers<void>[];
let templates: Templates;

beforeEach(() => {
  folders = new Folders();
  nowMs = Date.parse("2026-01-01T00:00:00Z");
  made = [];
  templates = open();
});

function open(): Templates {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const opened = new Templates({ folders, log, clock: { now: () => nowMs, after: () => () => undefined } });
  void opened.clear([]);
  return opened;
}

/** An engine whose shapes have the key given, and whose makings end when the test lets them. */
function request(key: string) {
  const cloning: Cloning = {
    shape: async () => ({ key, accelerator: "tcg", parts: { engine: "test 1" } }),
    async make() {
      const making = Promise.withResolvers<void>();
      made.push(making);
      await making.promise;
      return { sizeBytes: 1000 };
    },
    prepare: () => Promise.reject(new IsthmusError("INTERNAL", { reason: "not asked for here" })),
  };
  return { cloning, shape, imageDigest: "sha256:1" };
}

async function acquired(key: string) {
  const answer = templates.acquire(request(key), never);
  await expect.poll(() => made.length).toBeGreaterThan(0);
  made.shift()?.resolve();
  return await answer;
}

describe("templates", () => {
  it("are made once for all who want one", async () => {
    const both = Promise.all([templates.acquire(request("aa"), never), templates.acquire(request("aa"), never)]);
    await expect.poll(() => made.length).toBe(1);
    made[0]?.resolve();
    expect(await both).toEqual([
      { key: "aa", folder: "/t/aa", diskPath: "/t/aa/disk" },
      { key: "aa", folder: "/t/aa", diskPath: "/t/aa/disk" },
    ]);
    expect(await templates.acquire(request("aa"), never)).toEqual({ key: "aa", folder: "/t/aa", diskPath: "/t/aa/disk" });
    expect(made.length).toBe(1);
    expect((await templates.list())[0]?.clones).toBe(3);
  });

  it("are made to the end when one who waits gives up", async () => {
    const stop = new AbortController();
    const first = templates.acquire(request("aa"), stop.signal);
    const second = templates.acquire(request("aa"), never);
    await expect.poll(() => made.length).toBe(1);
    stop.abort();
    await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
    made[0]?.resolve();
    expect(await second).toMatchObject({ folder: "/t/aa" });
  });

  it("that cannot be made leave nothing, and their shape is tried again after a while only", async () => {
    const first = templates.acquire(request("aa"), never);
    await expect.poll(() => made.length).toBe(1);
    made[0]?.reject(new IsthmusError("TEMPLATE_FAILED", { reason: "the guest was mute" }));
    expect(await first).toEqual({ key: "aa", without: expect.stringContaining("the guest was mute") });
    expect(folders.making).toBe(0);
    expect(folders.stored.size).toBe(0);
    expect(await templates.acquire(request("aa"), never)).toHaveProperty("without");
    expect(made.length).toBe(1);
    nowMs += QUARANTINE_MS;
    const again = templates.acquire(request("aa"), never);
    await expect.poll(() => made.length).toBe(2);
    made[1]?.resolve();
    expect(await again).toHaveProperty("folder");
  });

  it("that fail are set aside, also for the next daemon", async () => {
    await acquired("aa");
    await templates.quarantine("aa", new IsthmusError("TEMPLATE_FAILED", { reason: "no greeting" }));
    expect(await templates.acquire(request("aa"), never)).toEqual({ key: "aa", without: expect.stringContaining("no greeting") });
    templates = open();
    expect(await templates.acquire(request("aa"), never)).toEqual({ key: "aa", without: expect.stringContaining("no greeting") });
  });

  it("are given up for newer ones, the least recently used first", async () => {
    for (let index = 0; index < TEMPLATES_MAX; index += 1) {
      nowMs += 120_000;
      await acquired(`k${index}`);
    }
    nowMs += 120_000;
    await templates.acquire(request("k0"), never);
    nowMs += 120_000;
    await acquired("new");
    const keys = (await templates.list()).map(({ key }) => key);
    expect(keys).toHaveLength(TEMPLATES_MAX);
    expect(keys.slice(0, 2)).toEqual(["new", "k0"]);
    expect(keys).not.toContain("k1");
    expect(folders.stored.has("k1")).toBe(false);
  });

  it("are removed by a prefix that means one of them, and pruned by age", async () => {
    await acquired("aaaa1");
    await acquired("aaaa2");
    await expect(templates.remove("aaa")).rejects.toMatchObject({ code: "TEMPLATE_NOT_FOUND" });
    await expect(templates.remove("aaaa")).rejects.toMatchObject({ code: "TEMPLATE_NOT_FOUND" });
    expect(await templates.remove("aaaa1")).toMatchObject({ key: "aaaa1" });
    nowMs += 10_000;
    expect(await templates.prune(20_000)).toEqual([]);
    expect(await templates.prune(5_000)).toHaveLength(1);
    expect(await templates.list()).toEqual([]);
  });

  it("are not made by a daemon that goes", async () => {
    const waiting = templates.acquire(request("aa"), never);
    await expect.poll(() => made.length).toBe(1);
    const closed = templates.close();
    made[0]?.reject(new IsthmusError("CANCELLED", { what: "making a template" }));
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    await closed;
    expect(folders.making).toBe(0);
  });
});
