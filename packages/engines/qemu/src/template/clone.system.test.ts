import { once } from "node:events";
import { copyFile, mkdir, readdir, readFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { IsthmusError, type PublishedPort } from "@isthmus/contract";
import type { Cloning, GuestShape, PreparedClone, PreparedPlace, StartPlan } from "@isthmus/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandLine } from "../command-line.ts";
import { QEMU_PROGRAM } from "../config.ts";
import { type EngineState, saveState } from "../engine-state.ts";
import { GuestBench } from "../guest.fixture.ts";
import { processStatus } from "../process/proc.ts";
import { spawnVmm } from "../process/spawn.ts";
import { memoryPath, statePath } from "./files.ts";

const DISK_BYTES = 64 * 1024 * 1024;
const never = new AbortController().signal;
const identity =
  "hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; cat /sys/class/net/eth0/address; head -c 32 /dev/urandom | sha256sum; date +%s";

let bench: GuestBench;
let cloning: Cloning;
/** of machines that have a disk already */
let shape: GuestShape;
let template: string;
/** its guest had a disk mounted, which `newDisk` is */
let entered: string;
let newDisk: string;

beforeAll(async () => {
  bench = await GuestBench.create();
  if (bench.engine.cloning === undefined) throw new IsthmusError("INTERNAL", { reason: "the engine cannot clone" });
  cloning = bench.engine.cloning;
  shape = { rootfsPath: bench.rootfsPath, cpus: 1, memoryBytes: 96 * 1024 * 1024, network: "user", diskBytes: DISK_BYTES, keptDisk: true };
  template = join(bench.folder, "template");
  await mkdir(template);
  await cloning.make(shape, { folder: template, socketFolder: bench.folder }, never);
  entered = join(bench.folder, "entered");
  newDisk = join(entered, "disk");
  await mkdir(entered);
  await bench.disk(newDisk, DISK_BYTES);
  await cloning.make(fresh(), { folder: entered, socketFolder: bench.folder, diskPath: newDisk }, never);
});
afterAll(() => bench.close());

async function plan(script: string, more: Partial<StartPlan> = {}): Promise<StartPlan> {
  const made = await bench.plan(script, { network: "user", diskBytes: DISK_BYTES, ...more });
  const diskPath = join(made.folder, "disk.ext4");
  await bench.disk(diskPath, DISK_BYTES);
  return { ...made, hostname: made.id, diskPath };
}

const clone = (of: StartPlan) => bench.engine.start(of, never, template);

function fresh(): GuestShape {
  const { keptDisk: _, ...rest } = shape;
  return rest;
}

/** A machine that never ran, with a copy of the template's disk. */
async function freshPlan(script: string, more: Partial<StartPlan> = {}): Promise<StartPlan> {
  const made = await plan(script, more);
  await copyFile(newDisk, made.diskPath ?? "");
  return made;
}

async function output(of: StartPlan): Promise<string> {
  return (await bench.records(of)).flatMap((record) => (record.startsWith("stdout ") ? [record.slice("stdout ".length)] : [])).join("");
}

async function newPlace(): Promise<PreparedPlace> {
  const { folder, socketFolder, outputPath, diskPath } = await freshPlan("");
  return { folder, socketFolder, outputPath, diskPath };
}

async function prepare(): Promise<{ clone: PreparedClone; place: PreparedPlace }> {
  const place = await newPlace();
  return { clone: await cloning.prepare(fresh(), entered, place, never), place };
}

describe("a template", () => {
  it("holds the guest's memory without its zeroes, and no process", async () => {
    const { size, blocks } = await stat(memoryPath(template));
    expect(size).toBe(shape.memoryBytes);
    expect(blocks * 512).toBeLessThan(size);
    expect((await stat(statePath(template))).size).toBeGreaterThan(10_000);
    expect((await readdir(template)).sort()).toEqual(["console.log", "memory", "state", "vmm.log"]);
    expect((await readdir(entered)).sort()).toEqual(["console.log", "disk", "memory", "state", "vmm.log"]);
  });

  it("has the same key for the same shape, and another for whatever must match", async () => {
    const key = async (of: GuestShape) => (await cloning.shape(of)).key;
    const keys = [await key(shape)];
    expect(await key({ ...shape })).toBe(keys[0]);
    keys.push(
      await key({ ...shape, cpus: 2 }),
      await key({ ...shape, memoryBytes: 128 * 1024 * 1024 }),
      await key({ ...shape, network: "none" }),
    );
    const { diskBytes: _, ...readOnly } = fresh();
    keys.push(await key(readOnly), await key(fresh()), await key({ ...shape, diskBytes: DISK_BYTES * 2 }));
    const again = join(bench.folder, "again.squashfs");
    await copyFile(bench.rootfsPath, again);
    keys.push(await key({ ...shape, rootfsPath: again }));
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("clones", () => {
  it.each(["kept", "new"])("with a %s disk are different machines: names, addresses, random numbers, and the right time", async (disk) => {
    const [from, made] = disk === "kept" ? ([template, plan] as const) : ([entered, freshPlan] as const);
    const plans = [await made(identity), await made(identity)];
    const machines = await Promise.all(plans.map((of) => bench.engine.start(of, never, from)));
    await Promise.all(machines.map(({ ended }) => ended));
    const [one, other] = await Promise.all(plans.map(async (of) => (await output(of)).trim().split("\n")));
    expect(one).toHaveLength(6);
    expect(other).toHaveLength(6);
    for (const [index, line] of one?.slice(0, 5).entries() ?? []) expect(line).not.toBe(other?.[index]);
    expect(Math.abs(Number(one?.[5]) - Date.now() / 1000)).toBeLessThan(60);
    expect(Object.keys(machines[0]?.timings ?? {})).toEqual(["kernel", "accelerator", "restore", "greeting", "configure", "workload"]);
  });

  it("have disks of their own, which they keep when they are cloned again", async () => {
    const first = await plan("cat /srv/mine; echo first > /srv/mine");
    const second = await plan("cat /srv/mine; echo second > /srv/mine");
    for (const of of [first, second, first, second]) await (await clone(of)).ended;
    expect(await output(first)).toBe("first\n");
    expect(await output(second)).toBe("second\n");
  });

  it("find nothing of another machine on a new disk, and keep it when they are cloned again or boot", async () => {
    const found = "cat /etc/hostname /etc/hosts | grep -c nobody; ls /srv; cat /srv/mine; echo written > /srv/mine";
    const of = await freshPlan(found);
    await (await bench.engine.start(of, never, entered)).ended;
    expect(await output(of)).toBe("0\n");
    await (await clone(of)).ended;
    await (await bench.engine.start(of, never)).ended;
    expect(await output(of)).toBe(`0\n${"0\nmine\nwritten\n".repeat(2)}`);
  });

  it("reach the network, whether their address is new to them or their template's", async () => {
    const routes = "while read -r device to gateway _; do echo $device $to $gateway; done < /proc/net/route; cat /etc/resolv.conf";
    const kept = await plan(routes);
    const made = await freshPlan(routes);
    await Promise.all([(await clone(kept)).ended, (await bench.engine.start(made, never, entered)).ended]);
    expect(await output(made)).toContain("eth0 00000000 0202000A");
    expect(await output(made)).toContain("nameserver 10.0.2.3");
    expect(await output(kept)).toBe(await output(made));
  });

  it("publish their ports", async () => {
    const port: PublishedPort = { guest: 8080, host: 0, address: "127.0.0.1", protocol: "tcp" };
    const machine = await clone(await plan("while true; do echo hello | nc -l -p 8080; done", { ports: [port] }));
    expect(await answerOf(machine.ports[0])).toBe("hello\n");
    await machine.kill();
  });

  it("that cannot be restored are a fault of the template, and leave nothing", async () => {
    const broken = join(bench.folder, "broken");
    await mkdir(broken);
    await copyFile(memoryPath(template), memoryPath(broken));
    await copyFile(statePath(template), statePath(broken));
    await truncate(statePath(broken), 20_000);
    const of = await plan("true");
    await expect(bench.engine.start(of, never, broken)).rejects.toMatchObject({ code: "TEMPLATE_FAILED" });
    await writeFile(statePath(broken), Buffer.alloc(60_000, 7));
    await expect(bench.engine.start(of, never, broken)).rejects.toMatchObject({ code: "TEMPLATE_FAILED" });
    await truncate(memoryPath(broken), 0);
    await expect(bench.engine.start(of, never, broken)).rejects.toMatchObject({ code: "TEMPLATE_FAILED" });
    expect(await bench.engine.processes(bench.machinesFolder)).toEqual([]);
    await (await bench.engine.start(of, never)).ended;
  });
});

describe("a clone whose daemon died before it was restored", () => {
  it("is ended, so that its start can begin again", async () => {
    const of = await plan("true");
    const { accelerator, machineType } = await bench.engine.accelerator();
    const variant = { accelerator, machineType, cpuModel: accelerator === "tcg" ? "max" : "host" };
    const memoryFile = { path: memoryPath(template), shared: false };
    const vmm = await spawnVmm(QEMU_PROGRAM, commandLine({ ...of, memoryFile, ports: [] }, variant), of.folder, {
      statePath: statePath(template),
    });
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const { pid, startTime } = vmm;
    await saveState(of.folder, { phase: "booting", bootId, pid, startTime, accelerator, ports: [], notes: [], timings: {}, parts: {} });
    vmm.release();
    expect(await bench.adopt(of)).toBeUndefined();
    expect(await bench.engine.processes(bench.machinesFolder)).toEqual([]);
    await (await clone(of)).ended;
  });
});

async function answerOf(port: PublishedPort | undefined): Promise<string> {
  let answer = "";
  const ask = async () => {
    const socket = connect(port?.host ?? 0, port?.address);
    const closed = text(socket).catch(() => "");
    await once(socket, "close");
    answer = await closed;
    return answer;
  };
  await expect.poll(ask).not.toBe("");
  return answer;
}

/** A machine whose daemon died while it made it of a prepared clone. */
async function cutShort(): Promise<{ of: StartPlan; state: EngineState }> {
  for (;;) {
    const made = await bench.plan("hostname; sleep 60", { network: "user", diskBytes: DISK_BYTES, hostname: "adopted" });
    const of = { ...made, diskPath: join(made.folder, "disk.ext4") };
    const asked = [fresh(), entered, await newPlace(), of].map((value) => JSON.stringify(value));
    const state = await bench.cutShort(
      of,
      `const [shape, template, place, of] = [${asked.join(", ")}];
       const prepared = await engine.cloning.prepare(shape, template, place, signal);
       await (await import("node:fs/promises")).rename(place.folder, of.folder);
       await prepared.start(of, signal);`,
    );
    if (state !== undefined) return { of, state };
  }
}

describe("a prepared clone", () => {
  it("waits without using the processor, and becomes the machine whose folder it is moved to", async () => {
    const { clone: prepared, place } = await prepare();
    const found = (await bench.engine.processes(bench.machinesFolder))[0];
    const before = processStatus(found?.pid ?? 0)?.cpuMs ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((processStatus(found?.pid ?? 0)?.cpuMs ?? Number.NaN) - before).toBeLessThanOrEqual(20);
    const port: PublishedPort = { guest: 8080, host: 0, address: "127.0.0.1", protocol: "tcp" };
    const mounted = 'while read -r _ place type _; do test "$place" = /scratch && echo $type; done < /proc/mounts';
    const of = await bench.plan(`hostname; ${mounted}; nc -l -p 8080 < /etc/hostname`, {
      network: "user",
      diskBytes: DISK_BYTES,
      ports: [port],
      tmpfs: [{ path: "/scratch" }],
    });
    await rename(place.folder, of.folder);
    const machine = await prepared.start({ ...of, hostname: "claimed", diskPath: join(of.folder, "disk.ext4") }, never);
    expect(Object.keys(machine.timings)).toEqual(["claim", "configure", "workload"]);
    expect((await bench.engine.processes(bench.machinesFolder)).map(({ machineId }) => machineId)).toEqual([of.id]);
    await expect(machine.statPath("/nosuch")).rejects.toMatchObject({ code: "PATH_NOT_FOUND", details: { name: of.name } });
    expect(await answerOf(machine.ports[0])).toBe("claimed\n");
    await machine.ended;
    expect(await output(of)).toBe("claimed\ntmpfs\n");
  });

  it("is taken up by a later daemon in the midst of its start", async () => {
    const { of, state } = await cutShort();
    const adopted = await bench.adopt(of);
    expect(adopted?.pid).toBe(state.pid);
    const stream = await adopted?.exec({ command: ["hostname"] }, of.workload);
    expect(stream && (await text(stream.stdout))).toBe("adopted\n");
    await adopted?.kill();
  });

  it("whose process is gone is no machine", async () => {
    const { clone: prepared, place } = await prepare();
    const found = (await bench.engine.processes(bench.machinesFolder))[0];
    process.kill(found?.pid ?? 0, "SIGKILL");
    await prepared.ended;
    const of = await bench.plan("true", { network: "user" });
    await rename(place.folder, of.folder);
    await expect(prepared.start(of, never)).rejects.toMatchObject({ code: "TEMPLATE_FAILED" });
    expect(await bench.engine.processes(bench.machinesFolder)).toEqual([]);
  });
});
