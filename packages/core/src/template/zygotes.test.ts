import { IsthmusError } from "@isthmus/contract";
import { beforeEach, describe, expect, it } from "vitest";
import type { Cloning, PreparedClone, Zygote } from "../machine/ports.ts";
import { ZYGOTE_IDLE_MS, ZYGOTE_RETRY_MS, ZYGOTES_MAX } from "./config.ts";
import type { PreparedPlaces } from "./ports.ts";
import type { ClonePlace, GuestShape } from "./shape.ts";
import { Zygotes } from "./zygotes.ts";

const shape: GuestShape = { rootfsPath: "/r", cpus: 1, memoryBytes: 1, network: "none", diskBytes: 5 };
const place: ClonePlace = { folder: "/m", socketFolder: "/s", outputPath: "/m/output", diskPath: "/m/disk" };
const clone = { ended: new Promise(() => {}), wake() {}, start: () => Promise.reject(new Error("not asked for")), end: async () => {} };

class FakeZygote implements Zygote {
  readonly #over = Promise.withResolvers<void>();
  readonly ended = this.#over.promise;
  stale = false;
  over = false;
  refusal: Error | undefined;
  async fork(): Promise<PreparedClone> {
    if (this.refusal) throw this.refusal;
    return clone;
  }
  async end(): Promise<void> {
    this.over = true;
    this.#over.resolve();
  }
}

let nowMs: number;
let room: boolean;
let ready: boolean;
let made: FakeZygote[];
/** what the engine answers instead of a zygote */
let answer: (() => Promise<Zygote | undefined>) | undefined;
let there: Set<string>;
let copied: (string | undefined)[];
let stop: AbortController;
let zygotes: Zygotes;

const cloning: Cloning = {
  shape: () => Promise.reject(new Error("not asked for")),
  make: () => Promise.reject(new Error("not asked for")),
  prepare: () => Promise.reject(new Error("not asked for")),
  async zygote() {
    const zygote = new FakeZygote();
    if (answer !== undefined) return await answer();
    made.push(zygote);
    return zygote;
  },
};
const places: PreparedPlaces = {
  root: "/pool",
  folder: (id) => id,
  async create(disk) {
    const id = `p${copied.push(disk?.copyOf)}`;
    there.add(id);
    return { ...place, id };
  },
  give: () => Promise.reject(new Error("not asked for")),
  remove: async (id) => void there.delete(id),
  list: async () => [...there],
};
const want = async (key = "aa") => {
  zygotes.want(key, cloning, shape);
  await zygotes.settled(key);
};

beforeEach(() => {
  nowMs = 1_000_000;
  [room, ready, answer] = [true, true, undefined];
  [made, copied, there, stop] = [[], [], new Set(), new AbortController()];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const templates = { ready: () => ready, folder: (key: string) => `/t/${key}`, diskPath: (key: string) => `/t/${key}/disk` };
  zygotes = new Zygotes({ places, templates, log, now: () => nowMs, room: () => room, signal: stop.signal });
});

describe("a zygote", () => {
  it("is made once of a template, with a copy of its disk, and forked", async () => {
    expect(await zygotes.fork("aa", place)).toBeUndefined();
    zygotes.want("aa", cloning, shape);
    await want();
    await want();
    expect([made.length, copied, zygotes.has("aa")]).toEqual([1, ["/t/aa/disk"], true]);
    expect(await zygotes.fork("aa", place)).toBe(clone);
    expect(await zygotes.fork("bb", place)).toBeUndefined();
  });

  it.each([
    ["its template is not ready", { ready: false, room: true, stopped: false }],
    ["there is no room", { ready: true, room: false, stopped: false }],
    ["the daemon stops", { ready: true, room: true, stopped: true }],
  ])("is not made while %s", async (_, host) => {
    ({ ready, room } = host);
    if (host.stopped) stop.abort();
    await want();
    expect([made.length, there.size]).toEqual([0, 0]);
  });

  it.each([
    ["cannot be had here", async () => undefined],
    ["could not be made", () => Promise.reject(new IsthmusError("TEMPLATE_FAILED", { reason: "torn" }))],
  ])("that %s is tried again after a while, and leaves nothing", async (_, instead) => {
    answer = instead;
    await want();
    answer = undefined;
    await want();
    expect([zygotes.has("aa"), there.size]).toEqual([false, 0]);
    nowMs += ZYGOTE_RETRY_MS;
    await want();
    expect(zygotes.has("aa")).toBe(true);
  });

  it("that is stale serves until another has taken its place", async () => {
    await want();
    const [first] = made;
    if (first) first.stale = true;
    zygotes.want("aa", cloning, shape);
    expect(await zygotes.fork("aa", place)).toBe(clone);
    await zygotes.settled("aa");
    expect([made.length, first?.over, there.size]).toEqual([2, true, 1]);
  });

  it("that cannot be forked is ended, and its clones are made another way", async () => {
    await want();
    const [first] = made;
    if (first) first.refusal = new IsthmusError("TEMPLATE_FAILED", { reason: "gone" });
    expect(await zygotes.fork("aa", place)).toBeUndefined();
    expect([first?.over, zygotes.has("aa"), there.size]).toEqual([true, false, 0]);
    await want();
    expect(made).toHaveLength(1);
  });

  it("is not to blame for a full disk", async () => {
    await want();
    const [first] = made;
    if (first) first.refusal = new IsthmusError("DISK_FULL", { what: "a machine's disk" });
    await expect(zygotes.fork("aa", place)).rejects.toMatchObject({ code: "DISK_FULL" });
    expect(zygotes.has("aa")).toBe(true);
  });

  it("whose process ended by itself is forgotten", async () => {
    await want();
    await made[0]?.end();
    await new Promise(setImmediate);
    expect([zygotes.has("aa"), there.size]).toEqual([false, 0]);
  });

  it("makes room for another when there are many, if it was not forked for long", async () => {
    for (let count = 0; count < ZYGOTES_MAX; count += 1) {
      nowMs += 1;
      await want(`k${count}`);
    }
    await want("more");
    expect([zygotes.has("more"), there.size]).toEqual([false, ZYGOTES_MAX]);
    nowMs += ZYGOTE_IDLE_MS;
    await zygotes.fork("k0", place);
    await want("more");
    expect([zygotes.has("more"), zygotes.has("k0"), zygotes.has("k1"), there.size]).toEqual([true, true, false, ZYGOTES_MAX]);
  });

  it("goes with its template, also when it is only being made", async () => {
    zygotes.want("aa", cloning, shape);
    await zygotes.drop("aa");
    await want("bb");
    await want("cc");
    await zygotes.dropAll();
    expect([made.map(({ over }) => over), there.size]).toEqual([[true, true, true], 0]);
  });
});
