import { IsthmusError } from "@isthmus/contract";
import { beforeEach, describe, expect, it } from "vitest";
import type { Cloning, Engine, LiveMachine, StartPlan } from "../machine/ports.ts";
import type { TemplateFolders } from "./ports.ts";
import type { GuestShape } from "./shape.ts";
import { begin } from "./starting.ts";
import { Templates } from "./templates.ts";

const never = new AbortController().signal;
const live = {} as LiveMachine;
const plan: StartPlan = {
  id: "m",
  name: "m",
  folder: "/m",
  socketFolder: "/s",
  rootfsPath: "/r",
  diskPath: "/m/disk",
  diskBytes: 5,
  outputPath: "/m/output",
  cpus: 1,
  memoryBytes: 1,
  network: "none",
  ports: [],
  hostname: "m",
  volumes: [],
  shares: [],
  tmpfs: [],
  workload: { argv: ["true"], env: [], cwd: "/", user: "", tty: false, stdin: false },
};

/** what was done, in order */
let done: string[];
let templates: Templates;
/** what the engine does with a template */
let failure: IsthmusError | undefined;

const log = { debug() {}, info() {}, warn() {}, error() {} };
const nothing = async () => {};
const folders: TemplateFolders = {
  root: "/t",
  folder: (key) => `/t/${key}`,
  diskPath: (key) => `/t/${key}/disk`,
  load: async () => [],
  begin: async (diskBytes) => {
    done.push(`template with disk ${diskBytes}`);
    return { folder: "/t/making", socketFolder: "/s" };
  },
  commit: nothing,
  discard: nothing,
  update: nothing,
  remove: nothing,
};
const cloning: Cloning = {
  shape: async (shape: GuestShape) => ({ key: shape.keptDisk ? "kept" : "new", accelerator: "tcg", parts: {} }),
  make: async () => ({ sizeBytes: 1 }),
  prepare: () => Promise.reject(new IsthmusError("INTERNAL", { reason: "not asked for here" })),
};
const none = () => Promise.reject(new IsthmusError("INTERNAL", { reason: "not asked for here" }));
const engine: Engine = {
  name: "test",
  isolation: "microvm",
  adopt: none,
  processes: async () => [],
  reap: none,
  cloning,
  async start(_plan, _signal, template) {
    done.push(template === undefined ? "boot" : `clone ${template}`);
    if (template !== undefined && failure !== undefined) throw failure;
    return live;
  },
};
const newDisk = async (copyOf?: string) => {
  done.push(`disk ${copyOf ?? "empty"}`);
};

beforeEach(() => {
  done = [];
  failure = undefined;
  templates = new Templates({ folders, log, clock: { now: () => 0, after: () => () => undefined } });
  void templates.clear([]);
});

describe("a start", () => {
  it("of a new machine gives it a copy of the disk that its template's guest had mounted", async () => {
    const begun = await begin({ engine, templates, imageDigest: "i", log, newDisk }, plan, never);
    expect(begun).toEqual({ live, startedFrom: "template", notes: [] });
    expect(done).toEqual(["template with disk 5", "disk /t/new/disk", "clone /t/new"]);
  });

  it("is forked where that can be, its disk too; when the fork fails, the machine is cloned", async () => {
    const ended = new Promise<void>(() => {});
    const clone = { ended, wake: () => undefined, end: nothing, start: async () => live };
    const forked = await begin({ engine, templates, imageDigest: "i", log, newDisk, fork: async () => clone }, plan, never);
    expect([forked.startedFrom, done]).toEqual(["zygote", ["template with disk 5"]]);
    const bad = { ...clone, start: () => Promise.reject(new IsthmusError("TEMPLATE_FAILED", { reason: "gone" })) };
    const begun = await begin({ engine, templates, imageDigest: "i", log, newDisk, fork: async () => bad }, plan, never);
    expect([begun.startedFrom, done.slice(1)]).toEqual(["template", ["disk /t/new/disk", "clone /t/new"]]);
  });

  it("is not forked with a disk of its own", async () => {
    const fork = () => Promise.reject(new IsthmusError("INTERNAL", { reason: "not asked for here" }));
    expect((await begin({ engine, templates, imageDigest: "i", log, fork }, plan, never)).startedFrom).toBe("template");
  });

  it("of a machine that has a disk takes a template whose guest mounted none, and leaves the disk alone", async () => {
    await begin({ engine, templates, imageDigest: "i", log }, plan, never);
    expect(done).toEqual(["template with disk undefined", "clone /t/kept"]);
  });

  it("whose template fails boots, with an empty disk in place of the copy", async () => {
    failure = new IsthmusError("TEMPLATE_FAILED", { reason: "torn" });
    const begun = await begin({ engine, templates, imageDigest: "i", log, newDisk }, plan, never);
    expect(begun.startedFrom).toBe("boot");
    expect(begun.notes.join()).toContain("torn");
    expect(done.slice(-3)).toEqual(["clone /t/new", "disk empty", "boot"]);
  });

  it("takes what was prepared with the disk that it has; when that fails, the machine gets another disk", async () => {
    const end = async () => {};
    const wake = () => undefined;
    const ended = new Promise<void>(() => {});
    const good = { ended, wake, end, start: async () => live };
    await begin({ engine, templates, imageDigest: "i", log, newDisk, prepared: good }, plan, never);
    expect(done).toEqual([]);
    const bad = { ended, wake, end, start: () => Promise.reject(new IsthmusError("TEMPLATE_FAILED", { reason: "gone" })) };
    const begun = await begin({ engine, templates, imageDigest: "i", log, newDisk, prepared: bad }, plan, never);
    expect(begun.startedFrom).toBe("template");
    expect(done).toEqual(["template with disk 5", "disk /t/new/disk", "clone /t/new"]);
  });
});
