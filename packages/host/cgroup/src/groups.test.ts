import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { REMOVE_TRIES } from "./config.ts";
import { createGroups } from "./groups.ts";
import { KernelFiles } from "./kernel-files.ts";
import { findPlaces } from "./places.ts";
import { settings, unlimited } from "./settings.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "isthmus-cgroup-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Files below a root of our own: for forms of cgroups that this host does not have. */
function present(files: Readonly<Record<string, string>>): KernelFiles {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return new KernelFiles(root);
}

const text = (path: string) => readFileSync(join(root, path), "utf8");
const v2 = "30 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const v1 = (name: string, at = name) => `31 30 0:28 / /sys/fs/cgroup/${at} rw,relatime - cgroup cgroup rw,${name}\n`;
const all = { cpuWeight: 200, cpuMax: 0.5, memoryMaxBytes: 100_000_000, ioWeight: 50, pidsMax: 64 };

describe("limits as writes to the kernel's files", () => {
  it("are those of the version", () => {
    const written = (version: "v1" | "v2") => settings(version, all).map(({ files, value }) => [files.join(" or "), value]);
    expect(written("v2")).toEqual([
      ["cpu.weight", "200"],
      ["io.bfq.weight or io.weight", "default 50"],
      ["cpu.max", "50000 100000"],
      ["memory.max", "100000000"],
      ["pids.max", "64"],
    ]);
    expect(written("v1")).toEqual([
      ["cpu.shares", "2048"],
      ["blkio.bfq.weight or blkio.weight", "50"],
      ["cpu.cfs_period_us", "100000"],
      ["cpu.cfs_quota_us", "50000"],
      ["memory.limit_in_bytes", "100000000"],
      ["pids.max", "64"],
    ]);
  });
});

describe("limits that are taken away", () => {
  it("are what the version takes for none", () => {
    const gone = unlimited({ cpuWeight: 50 }, all);
    const written = (version: "v1" | "v2") => settings(version, gone).map(({ files, value }) => [files[0], value]);
    expect(written("v2").slice(2)).toEqual([
      ["cpu.max", "max 100000"],
      ["memory.max", "max"],
      ["pids.max", "max"],
    ]);
    expect(written("v1").slice(2)).toEqual([
      ["cpu.cfs_period_us", "100000"],
      ["cpu.cfs_quota_us", "-1"],
      ["memory.limit_in_bytes", "-1"],
      ["pids.max", "max"],
    ]);
    expect(unlimited(all, all)).toEqual({});
  });
});

describe("cgroup v2", () => {
  it("gives its controllers down to the groups of machines", () => {
    const files = present({
      "proc/self/mountinfo": v2,
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
      "sys/fs/cgroup/cgroup.subtree_control": "cpu io memory pids\n",
    });
    const { places, missing } = findPlaces({ files, instance: "abc", pid: 1 });
    expect(missing).toEqual([]);
    expect(places).toEqual([{ version: "v2", base: "/sys/fs/cgroup/isthmus/abc", controllers: ["cpu", "memory", "io", "pids"] }]);
    expect(text("sys/fs/cgroup/isthmus/cgroup.subtree_control")).toBe("+pids");
  });

  it("puts a process in its group, limits it there and reads its memory", () => {
    const files = present({
      "proc/self/mountinfo": v2,
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n",
    });
    const groups = createGroups({ home: "/home", files, pid: 1 });
    groups.enter("machine", 77);
    const [instance = ""] = new KernelFiles(root).folders("/sys/fs/cgroup/isthmus");
    const group = `sys/fs/cgroup/isthmus/${instance}/machine`;
    expect(text(`${group}/cgroup.procs`)).toBe("77");
    present(Object.fromEntries(["cpu.weight", "io.weight", "cpu.max", "memory.max", "pids.max"].map((name) => [`${group}/${name}`, ""])));
    expect(groups.limit(77, all)).toEqual([expect.stringContaining("ioWeight has no effect: no disk")]);
    present({ "sys/block/sda/queue/scheduler": "none mq-deadline [bfq]\n" });
    expect(groups.limit(77, all)).toEqual([]);
    expect(text(`${group}/io.weight`)).toBe("default 50");
    groups.weigh(77, { cpuWeight: 10 });
    expect(text(`${group}/cpu.weight`)).toBe("10");
    present({ [`${group}/memory.current`]: "4096\n" });
    expect(groups.memoryBytes(77)).toBe(4096);
    present({ "proc/77/cgroup": `0::/isthmus/${instance}/machine\n` });
    expect(createGroups({ home: "/home", files, pid: 1 }).memoryBytes(77)).toBe(4096);
    expect(createGroups({ home: "/another", files, pid: 1 }).memoryBytes(77)).toBeUndefined();
  });
});

describe("groups that their daemon is about to leave", () => {
  const folder = () => join(root, "sys/fs/cgroup/pids/isthmus");
  const group = (instance: string, name: string) => join(folder(), instance, name);
  /** The kernel does not remove a group that it holds, as no folder is removed that has a file. */
  function entered(stat: string) {
    const files = present({ "proc/self/mountinfo": v1("pids"), "proc/self/cgroup": "3:pids:/\n", "proc/77/stat": stat });
    const groups = createGroups({ home: "/home", files, pid: 1 });
    groups.enter("machine", 77);
    return { files, groups, instance: files.folders("/sys/fs/cgroup/pids/isthmus")[0] ?? "" };
  }

  it("are waited for when nothing of them runs any more", async () => {
    const { groups, instance } = entered("77 (qemu) Z 1");
    const settled = groups.settled();
    expect(await Promise.race([settled, sleep(50, "not yet")])).toBe("not yet");
    rmSync(join(group(instance, "machine"), "cgroup.procs"));
    await settled;
    expect(existsSync(folder())).toBe(false);
  });

  it("are left alone when something does, or is on its way", async () => {
    const { groups, instance } = entered("77 (qemu) S 1");
    groups.open("another");
    await groups.settled();
    expect(["machine", "another"].map((name) => existsSync(group(instance, name)))).toEqual([true, true]);
  });

  it("are not waited for any longer than a second", async () => {
    const { files, groups, instance } = entered("77 (qemu) X 1");
    const remove = vi.spyOn(files, "removeFolder");
    await groups.settled();
    expect(existsSync(group(instance, "machine"))).toBe(true);
    expect(remove.mock.calls.filter(([path]) => path.endsWith("/machine"))).toHaveLength(REMOVE_TRIES);
  });

  it("go a moment later where something of their process is still ending", async () => {
    const { groups, instance } = entered("77 (qemu) X 1");
    groups.leave(77);
    expect(existsSync(group(instance, "machine"))).toBe(true);
    rmSync(join(group(instance, "machine"), "cgroup.procs"));
    await expect.poll(() => existsSync(folder())).toBe(false);
  });
});

describe("a host that lacks something", () => {
  it("says which limits have no effect and why, and only of those that were asked for", () => {
    const groups = createGroups({ home: "/home", files: present({ "proc/self/mountinfo": v1("memory") }), pid: 1 });
    expect(groups.shortcomings).toHaveLength(3);
    groups.enter("machine", 77);
    expect(groups.limit(77, {})).toEqual([]);
    expect(groups.limit(77, { cpuMax: 1, pidsMax: 20 })).toEqual([
      "cpuMax has no effect: cpu: this host has no such cgroup controller",
      "pidsMax has no effect: pids: this host has no such cgroup controller",
    ]);
  });

  it("has the older form beside the newer one: each controller is used where it is", () => {
    const files = present({
      "proc/self/mountinfo": v1("cpu,cpuacct", "cpu,cpuacct") + v1("blkio") + v1("pids") + v2,
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/cgroup.controllers": "memory\n",
    });
    const { places, missing } = findPlaces({ files, instance: "abc", pid: 1 });
    expect(missing).toEqual([]);
    expect(places.map(({ version, controllers }) => `${version} ${controllers.join(" ")}`).sort()).toEqual([
      "v1 cpu",
      "v1 io",
      "v1 pids",
      "v2 memory",
    ]);
  });

  it("takes the daemon's own group where the top cannot be written", () => {
    const files = present({
      "proc/self/mountinfo": v1("pids"),
      "proc/self/cgroup": "3:pids:/user/me\n",
      "sys/fs/cgroup/pids/isthmus": "no folder",
    });
    mkdirSync(join(root, "sys/fs/cgroup/pids/user/me"), { recursive: true });
    expect(findPlaces({ files, instance: "abc", pid: 1 }).places).toMatchObject([{ base: "/sys/fs/cgroup/pids/user/me/isthmus/abc" }]);
  });

  it("has groups that do not take processes: their limits have no effect, and that is said", () => {
    const groups = createGroups({
      home: "/home",
      files: present({ "proc/self/mountinfo": v1("pids"), "proc/self/cgroup": "3:pids:/\n" }),
      pid: 1,
    });
    const [instance = ""] = new KernelFiles(root).folders("/sys/fs/cgroup/pids/isthmus");
    const procs = join(root, `sys/fs/cgroup/pids/isthmus/${instance}/machine/cgroup.procs`);
    mkdirSync(procs, { recursive: true });
    groups.enter("machine", 77);
    expect(groups.limit(77, { pidsMax: 20 })).toEqual([expect.stringMatching(/^pidsMax has no effect: .*cgroup.procs: EISDIR$/)]);
  });

  it("leaves everything alone when it is told to", () => {
    const groups = createGroups({ home: "/home", enabled: false });
    groups.enter("machine", process.pid);
    expect(groups.limit(process.pid, { cpuMax: 1 })).toEqual([expect.stringContaining("ISTHMUS_CGROUP=off")]);
    expect(groups.sweep()).toBe(0);
  });
});

const real = new KernelFiles();
const writable = (path: string) => {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

describe.runIf(writable("/sys/fs/cgroup"))("the cgroups of this host", () => {
  it("are not cleared up while their process is on its way", async () => {
    const groups = createGroups({ home: root });
    const { files, entered } = groups.open("one");
    expect(files.length).toBeGreaterThan(0);
    expect([groups.sweep(), files.map((file) => existsSync(file))]).toEqual([0, files.map(() => true)]);
    entered(2 ** 30, []);
    expect([groups.sweep(), files.map((file) => existsSync(file))]).toEqual([1, files.map(() => false)]);
    groups.open("two").discard();
    expect(groups.sweep()).toBe(0);
  });

  it("hold a process, and its group goes with it but not before", async () => {
    const home = root;
    const groups = createGroups({ home });
    const child = spawn("sleep", ["100"], { stdio: "ignore" });
    const pid = child.pid ?? 0;
    try {
      groups.enter("one", pid);
      const { places } = findPlaces({ files: real, instance: instanceOf(pid), pid: process.pid });
      expect(places.length).toBeGreaterThan(0);
      for (const { base } of places) expect(readFileSync(join(base, "one/cgroup.procs"), "utf8").trim()).toBe(String(pid));
      const cpu = places.find(({ version, controllers }) => version === "v1" && controllers.includes("cpu"));
      if (cpu) expect(Number(readFileSync(join(cpu.base, "cpu.shares"), "utf8"))).toBe(1024 * availableParallelism());
      const usable = places.flatMap(({ controllers }) => controllers);
      const asked = { ...(usable.includes("pids") && { pidsMax: 20 }), ...(usable.includes("cpu") && { cpuMax: 0.5 }) };
      expect(groups.limit(pid, asked)).toEqual([]);
      expect(groups.memoryBytes(pid)).toBeTypeOf("number");
      // Another daemon on the same folder finds it by its process, and its clearing up does not touch it.
      const later = createGroups({ home });
      expect([later.memoryBytes(pid) ?? 0, later.sweep()]).toEqual([expect.any(Number), 0]);
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(later.sweep()).toBe(1);
      for (const { base } of places) expect(existsSync(base)).toBe(false);
    } finally {
      child.kill("SIGKILL");
      groups.leave(pid);
    }
  });
});

/** Name of the folder that the groups of one data folder are in. */
function instanceOf(pid: number): string {
  return /isthmus\/([0-9a-f]+)\/one$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
}
