import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { formatBytes, MIB, type Resources } from "@isthmus/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

/** capabilities(7) */
const CAP_SYS_NICE = 23n;

let world: World;
/** false where nobody may make groups */
const limited = mayWrite("/sys/fs/cgroup");
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => await world[Symbol.asyncDispose]());

const burner = ["sh", "-c", "while :; do :; done"];

async function start(command: readonly string[], resources: Resources, memoryBytes = 128 * MIB) {
  return await world.isthmus.machines.run({ image: "busybox", command: [...command], resources, memoryBytes, stopTimeoutMs: 0 });
}

/** Path of the group of a controller that a process is in, with the folder it is mounted at; undefined where it is in none of ours. */
function groupOf(pid: number, controller: string): string | undefined {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "));
  const point =
    mounts.find(([, , type, options = ""]) => type === "cgroup" && options.split(",").includes(controller))?.[1] ??
    mounts.find(([, , type]) => type === "cgroup2")?.[1];
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const line = lines.find((one) => one.split(":")[1]?.split(",").includes(controller)) ?? lines.find((one) => one.startsWith("0::"));
  const path = line?.split(":").slice(2).join(":") ?? "";
  return point !== undefined && path.includes("/isthmus/") ? `${point}${path}` : undefined;
}

/** In the units of cgroup v2. */
function weightOf(group: string): number {
  if (existsSync(`${group}/cpu.weight`)) return Number(readFileSync(`${group}/cpu.weight`, "utf8"));
  return (Number(readFileSync(`${group}/cpu.shares`, "utf8")) * 100) / 1024;
}

describe("limits of a machine", () => {
  it.each([
    ["booted", { ISTHMUS_TEMPLATES: "off" }],
    ["cloned", {}],
  ])("hold its processor time down and go with it (%s)", async (_how, env) => {
    if (!limited) return;
    await using other = await World.start(env);
    const machine = await other.isthmus.machines.run({ image: "busybox", command: burner, resources: { cpuMax: 0.5 }, stopTimeoutMs: 0 });
    const { pid = 0, notes } = await machine.inspect();
    expect(notes).toEqual([]);
    const group = groupOf(pid, "cpu");
    expect(group).toBeDefined();
    expect(weightOf(group ?? ""), "it started with less").toBe(100);
    const began = performance.now();
    const before = (await machine.stats()).hostCpuMs;
    await sleep(3_000);
    const after = (await machine.stats()).hostCpuMs;
    // The quota counts in periods of 100 ms: a busy host makes this less, never more.
    expect((after - before) / (performance.now() - began)).toBeLessThan(0.65);
    await machine.kill();
    await eventually("the group is gone", async () => (existsSync(group ?? "") ? undefined : true));
  });

  it("slow its disk down to their rate", async () => {
    const machine = await start(["sleep", "1000"], { ioWriteBps: { rate: 2 * MIB } });
    const began = performance.now();
    const { code } = await machine.execText(["dd", "if=/dev/zero", "of=/data", "bs=1M", "count=12", "conv=fsync"]);
    const bytesPerSecond = (12 * MIB) / ((performance.now() - began) / 1000);
    expect([code, bytesPerSecond < 4 * MIB, formatBytes(Math.round(bytesPerSecond))]).toEqual([0, true, expect.any(String)]);
    await machine.kill();
  });

  it("end a machine that takes more memory than it may, and say so beforehand", async () => {
    if (!limited) return;
    const machine = await start(
      ["sh", "-c", "sleep 2; mount -t tmpfs -o size=400m none /mnt; dd if=/dev/zero of=/mnt/x bs=1M count=390; sleep 1000"],
      { memoryMaxBytes: 160 * MIB },
      512 * MIB,
    );
    expect((await machine.inspect()).notes.join()).toContain("memoryMaxBytes is below");
    const exit = await machine.wait();
    expect(exit).toMatchObject({ reason: "vmm-died" });
  });
});

describe("the daemon", () => {
  it("goes before the sessions of others where processors are short", async () => {
    const share = `/proc/${await world.daemonPid()}/autogroup`;
    const capabilities = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`);
    const has = existsSync(share) && ((capabilities >> CAP_SYS_NICE) & 1n) === 1n;
    expect(has ? readFileSync(share, "utf8") : "nice -5").toContain("nice -5");
  });
});

describe("a machine with a group", () => {
  it("is in it also after it came from a pool, and after a restart of the daemon its leftovers go and it does not", async () => {
    if (!limited) return;
    await using other = await World.start({ ISTHMUS_POOL_MAX: "4" });
    const first = await other.isthmus.machines.run({ image: "busybox", command: ["sleep", "1000"], stopTimeoutMs: 0 });
    await eventually(
      "a clone waits",
      async () => ((await other.isthmus.templates.list()).some(({ prepared = 0 }) => prepared > 0) ? true : undefined),
      60_000,
    );
    const second = await other.isthmus.machines.run({
      image: "busybox",
      command: ["sleep", "1000"],
      resources: { pidsMax: 50 },
      stopTimeoutMs: 0,
    });
    expect((await second.inspect()).startedFrom).toBe("pool");
    const [one = "", two = ""] = await Promise.all(
      [first, second].map(async (machine) => groupOf((await machine.inspect()).pid ?? 0, "pids")),
    );
    expect(readFileSync(`${two}/pids.max`, "utf8").trim()).toBe("50");
    await other.killDaemon();
    process.kill((await pidIn(one)) ?? 0, "SIGKILL");
    await other.ok(["daemon", "start"]);
    await eventually("the dead one's group is gone", async () => (existsSync(one) ? undefined : true));
    expect(readFileSync(`${two}/cgroup.procs`, "utf8").trim()).not.toBe("");
  });

  it("is shown by top with what it costs", async () => {
    const machine = await start(burner, {});
    const shown = await eventually("its cost", async () => {
      const { machines } = await world.isthmus.host.pressure();
      return machines.find(({ id, cpuPart }) => id === machine.id && cpuPart > 0.05);
    });
    expect(shown.memoryBytes).toBeGreaterThan(MIB);
    expect(await world.ok(["top", "--once"])).toMatch(
      new RegExp(`PRESSURE[\\s\\S]*cpu [\\s\\S]*memory [\\s\\S]*io [\\s\\S]*${machine.id.slice(0, 12)} `),
    );
    await machine.kill();
  });
});

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function pidIn(group: string): Promise<number | undefined> {
  return Number(readFileSync(`${group}/cgroup.procs`, "utf8").trim().split("\n")[0]) || undefined;
}
