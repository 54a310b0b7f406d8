import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { IsthmusError, type PublishedPort } from "@isthmus/contract";
import type { Cloning, GuestShape, LiveMachine, PreparedPlace, StartPlan, Zygote } from "@isthmus/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { qmpSocketPath } from "../command-line.ts";
import { QEMU_PROGRAM } from "../config.ts";
import { GuestBench } from "../guest.fixture.ts";
import { processStatus } from "../process/proc.ts";

const run = promisify(execFile);
const DISK_BYTES = 64 * 1024 * 1024;
const never = new AbortController().signal;
const NAMESPACE = `isthmus-test-${process.pid}`;

let bench: GuestBench;
let cloning: Cloning;
/** the folder of each kind of template that was made */
const templates = new Map<string, string>();
const zygotes: Zygote[] = [];
const machines: LiveMachine[] = [];

beforeAll(async () => {
  bench = await GuestBench.create();
  if (bench.engine.cloning === undefined) throw new IsthmusError("INTERNAL", { reason: "the engine cannot clone" });
  cloning = bench.engine.cloning;
});
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.kill().catch(() => undefined);
  for (const zygote of zygotes.splice(0)) await zygote.end();
});
afterAll(() => bench.close());

const shapeOf = (more: Partial<GuestShape> = {}): GuestShape => ({
  rootfsPath: bench.rootfsPath,
  cpus: 1,
  memoryBytes: 96 * 1024 * 1024,
  network: "none",
  diskBytes: DISK_BYTES,
  ...more,
});

async function templateOf(shape: GuestShape): Promise<string> {
  const { key } = await cloning.shape(shape);
  const known = templates.get(key);
  if (known !== undefined) return known;
  const folder = join(bench.folder, key.slice(0, 8));
  mkdirSync(folder);
  const diskPath = join(folder, "disk");
  await bench.disk(diskPath, DISK_BYTES);
  await cloning.make(shape, { folder, socketFolder: bench.folder, diskPath }, never);
  templates.set(key, folder);
  return folder;
}

/** A zygote, and the folder that its process works in. */
async function zygoteOf(shape = shapeOf()): Promise<{ readonly zygote: Zygote; readonly place: PreparedPlace }> {
  const template = await templateOf(shape);
  const { folder, socketFolder, outputPath } = await bench.plan("");
  const place = { folder, socketFolder, outputPath, diskPath: join(folder, "disk.ext4") };
  copyFileSync(join(template, "disk"), place.diskPath);
  const zygote = await cloning.zygote?.(shape, template, place, never);
  if (zygote === undefined) throw new IsthmusError("INTERNAL", { reason: "there are no zygotes here" });
  zygotes.push(zygote);
  return { zygote, place };
}

async function planOf(script: string, more: Partial<StartPlan> = {}): Promise<StartPlan> {
  const plan = await bench.plan(script, { diskBytes: DISK_BYTES, ...more });
  return { ...plan, hostname: plan.id, diskPath: join(plan.folder, "disk.ext4") };
}

async function started(zygote: Zygote, plan: StartPlan): Promise<LiveMachine> {
  const clone = await zygote.fork(plan);
  clone.wake(plan);
  const machine = await clone.start(plan, never);
  machines.push(machine);
  return machine;
}

async function said(machine: LiveMachine, plan: StartPlan, ...command: string[]): Promise<string> {
  return await text((await machine.exec({ command }, plan.workload)).stdout);
}

/** of a process, "self" for this one */
const statusOf = (pid: number | "self", field: string) =>
  new RegExp(`^${field}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
const pidIn = async (folder: string) => {
  const found = (await bench.engine.processes(bench.machinesFolder)).find(({ machineId }) => folder.endsWith(`/${machineId}`));
  return found?.pid ?? 0;
};

describe("forks of a zygote", () => {
  it.each([1, 2])("with %i processors are machines of their own: names, ids, random numbers, disks, output", async (cpus) => {
    const { zygote } = await zygoteOf(shapeOf({ cpus }));
    const script =
      "hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; for from in urandom hwrng; do od -A n -t x1 -N 16 /dev/$from; done; sleep 60";
    const plans = [];
    for (let count = 0; count < 8; count += 1) plans.push(await planOf(script, { cpus }));
    const all = await Promise.all(plans.map((plan) => started(zygote, plan)));
    const lines: string[] = [];
    for (const [index, plan] of plans.entries()) {
      const machine = all[index];
      if (machine === undefined) continue;
      await expect.poll(async () => (await bench.records(plan)).join("").split("\n").length).toBeGreaterThanOrEqual(6);
      lines.push(
        ...(await bench.records(plan))
          .filter((record) => record.startsWith("stdout "))
          .join("")
          .replaceAll("stdout ", "")
          .trim()
          .split("\n"),
      );
      await said(machine, plan, "sh", "-c", "echo $(hostname) >> /srv/mine; sync");
      expect(await said(machine, plan, "cat", "/srv/mine")).toBe(`${plan.id}\n`);
      expect(Math.abs(Number(await said(machine, plan, "date", "+%s")) - Date.now() / 1000)).toBeLessThan(60);
    }
    expect([lines.length, new Set(lines).size]).toEqual([40, 40]);
    const inodes = plans.map(({ diskPath }) => execFileSync("stat", ["-c", "%i", diskPath ?? ""]).toString());
    expect(new Set(inodes).size).toBe(8);
  });

  it("go on when the zygote has ended, and are taken up by a later daemon", async () => {
    const { zygote } = await zygoteOf();
    const plan = await planOf("sleep 60");
    const machine = await started(zygote, plan);
    await zygote.end();
    expect(await said(machine, plan, "hostname")).toBe(`${plan.id}\n`);
    machine.release();
    const adopted = await bench.adopt(plan);
    expect(adopted?.pid).toBe(machine.pid);
    expect(adopted && (await said(adopted, plan, "hostname"))).toBe(`${plan.id}\n`);
    await adopted?.kill();
  });

  it("are processes like those of other machines: folder, session, words, and their end is told", async () => {
    const { zygote } = await zygoteOf();
    const plan = await planOf("sleep 60");
    const machine = await started(zygote, plan);
    expect(readlinkSync(`/proc/${machine.pid}/cwd`)).toBe(plan.folder);
    const words = readFileSync(`/proc/${machine.pid}/cmdline`, "utf8").split("\0");
    expect([words[0], words[words.indexOf("-name") + 1], words.join(" ").includes(plan.diskPath ?? "")]).toEqual([
      QEMU_PROGRAM,
      `guest=${plan.name}`,
      true,
    ]);
    expect(readlinkSync(`/proc/${machine.pid}/fd/2`)).toBe(join(plan.folder, "vmm.log"));
    expect(readFileSync(`/proc/${machine.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3]).toBe(String(machine.pid));
    process.kill(machine.pid, "SIGTERM");
    expect(await machine.ended).toMatchObject({ status: "exit status 0" });
  });

  it("may neither execute programs nor make processes, as their zygote may not execute any", async () => {
    const { zygote, place } = await zygoteOf();
    const plan = await planOf("sleep 60");
    const machine = await started(zygote, plan);
    const ours = Number(statusOf("self", "Seccomp_filters"));
    const filters = (pid: number) => [
      statusOf(pid, "NoNewPrivs"),
      statusOf(pid, "Seccomp"),
      Number(statusOf(pid, "Seccomp_filters")) - ours,
    ];
    expect(filters(await pidIn(place.folder))).toEqual(["1", "2", 2]);
    expect(filters(machine.pid)).toEqual(["1", "2", 3]);
    for (const task of readdirSync(`/proc/${machine.pid}/task`))
      expect(readFileSync(`/proc/${machine.pid}/task/${task}/status`, "utf8")).toContain(`Seccomp_filters:\t${ours + 3}`);
  });

  it("share nothing with it that one could change for the other: each open file that is written to, socket and event is its own", async () => {
    const { zygote, place } = await zygoteOf();
    const plan = await planOf("sleep 60");
    const machine = await started(zygote, plan);
    const opened = (pid: number) => readdirSync(`/proc/${pid}/fd`).map((fd) => ({ fd, to: readlinkSync(`/proc/${pid}/fd/${fd}`) }));
    const written = (pid: number) =>
      opened(pid).filter(
        ({ fd, to }) => to.startsWith(bench.folder) && /^flags:\t\d*[12]$/m.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8")),
      );
    const zygotePid = await pidIn(place.folder);
    const mine = written(machine.pid)
      .map(({ to }) => to.replace(plan.folder, ""))
      .sort();
    expect(mine.filter((to) => !to.endsWith("/memory"))).toEqual(["/disk.ext4", "/output.log", "/vmm.log", "/vmm.log"]);
    const events = (pid: number) =>
      opened(pid).flatMap(({ fd, to }) =>
        to.includes("[eventfd]") ? [/eventfd-id: *(\d+)/.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1]] : [],
      );
    const all = [...events(zygotePid), ...events(machine.pid)];
    expect([all.length > 4, new Set(all).size]).toEqual([true, all.length]);
    const sockets = (pid: number) => opened(pid).flatMap(({ to }) => (to.startsWith("socket:") ? [to] : []));
    const common = sockets(machine.pid).filter((socket) => sockets(zygotePid).includes(socket));
    expect(common).toEqual([]);
    const locks = opened(machine.pid).find(({ to }) => to === plan.diskPath);
    expect(readFileSync(`/proc/${machine.pid}/fdinfo/${locks?.fd}`, "utf8")).toContain("OFDLCK");
  });

  it("have what the zygote has in memory in common", async () => {
    const { zygote } = await zygoteOf();
    const plans = await Promise.all(Array.from({ length: 4 }, () => planOf("sleep 60")));
    const all = await Promise.all(plans.map((plan) => started(zygote, plan)));
    const figure = (pid: number, name: string) =>
      Number(new RegExp(`^${name}: *(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
    for (const { pid } of all) expect(figure(pid, "Shared_Dirty")).toBeGreaterThan(figure(pid, "Private_Dirty"));
  });

  it("can be saved and go on, with what they have in common with the zygote, after that has ended", async () => {
    const { zygote } = await zygoteOf();
    const plan = await planOf("echo kept > /srv/mine; exec sleep 600");
    const machine = await started(zygote, plan);
    await expect.poll(() => said(machine, plan, "cat", "/srv/mine")).toBe("kept\n");
    await zygote.end();
    const folder = join(bench.folder, `saved-${plan.id}`);
    mkdirSync(folder);
    const { parts } = await machine.capture({ folder, goOn: false }, never);
    await machine.kill();
    const resumed = await bench.engine.saving?.restore(plan, { folder, parts, newIdentity: false }, never);
    if (resumed === undefined) throw new IsthmusError("INTERNAL", { reason: "the engine cannot save" });
    machines.push(resumed);
    expect(await said(resumed, plan, "sh", "-c", "cat /srv/mine; ls /bin | wc -l")).toMatch(/^kept\n\d\d\n$/);
  });

  it("are on the network of their machine", async () => {
    await run("ip", ["netns", "add", NAMESPACE]);
    try {
      const inside = (...words: string[]) => run("ip", ["-n", NAMESPACE, ...words]);
      await inside("tuntap", "add", "dev", "tapz", "mode", "tap", "vnet_hdr");
      await inside("addr", "add", "10.9.9.1/24", "dev", "tapz");
      await inside("link", "set", "tapz", "up");
      const { zygote } = await zygoteOf(shapeOf({ network: "bridge" }));
      const nic = {
        namespace: NAMESPACE,
        tap: "tapz",
        place: { address: "10.9.9.2/24", gateway: "10.9.9.1", address6: "fd99::2/64", gateway6: "fd99::1" },
      };
      // On such a network others publish: to listen there as well would be refused.
      const ports: PublishedPort[] = [{ guest: 80, host: 1, address: "192.0.2.1", protocol: "tcp" }];
      const plan = await planOf("while true; do echo hello | nc -l -p 80; done", { network: "bridge", nic, ports });
      const machine = await started(zygote, plan);
      const command = ["netns", "exec", NAMESPACE, "busybox", "nc", "-w", "5", "10.9.9.2", "80"];
      await expect.poll(async () => (await run("ip", command)).stdout, { interval: 200 }).toBe("hello\n");
      expect(readlinkSync(`/proc/${machine.pid}/ns/net`)).not.toBe(readlinkSync("/proc/self/ns/net"));
    } finally {
      await run("ip", ["netns", "del", NAMESPACE]);
    }
  });
});

describe("a zygote", () => {
  it("uses no processor time while it waits", async () => {
    const { zygote, place } = await zygoteOf();
    await started(zygote, await planOf("sleep 60"));
    const pid = await pidIn(place.folder);
    const before = processStatus(pid)?.cpuMs ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((processStatus(pid)?.cpuMs ?? Number.NaN) - before).toBeLessThanOrEqual(20);
  });

  it("with something open that a fork would share is not forked, and can be again without it", async () => {
    const { zygote, place } = await zygoteOf();
    const socket: Socket = connect(qmpSocketPath(place.socketFolder));
    await new Promise((resolve) => socket.once("data", resolve));
    await expect(zygote.fork(await planOf(""))).rejects.toThrow("a descriptor that would be shared");
    socket.destroy();
    const plan = await planOf("sleep 60");
    expect(await said(await started(zygote, plan), plan, "hostname")).toBe(`${plan.id}\n`);
  });

  it("that is stopped, or gone, forks no more, which is said", async () => {
    const { zygote, place } = await zygoteOf();
    const pid = await pidIn(place.folder);
    process.kill(pid, "SIGSTOP");
    await expect(zygote.fork(await planOf(""))).rejects.toMatchObject({ code: "TEMPLATE_FAILED" });
    process.kill(pid, "SIGKILL");
    await zygote.ended;
    await expect(zygote.fork(await planOf(""))).rejects.toThrow("the zygote is gone");
  });

  it("is not to blame when the disk of a fork has no room", async () => {
    const { zygote } = await zygoteOf();
    const plan = await planOf("sleep 60");
    const small = join(bench.folder, "small");
    mkdirSync(small);
    await run("mount", ["-t", "tmpfs", "-o", "size=64k", "none", small]);
    try {
      await expect(zygote.fork({ ...plan, diskPath: join(small, "disk.ext4") })).rejects.toMatchObject({ code: "DISK_FULL" });
    } finally {
      await run("umount", [small]);
    }
    await started(zygote, plan);
  });

  it("ends with its fork server, and its forks go on", async () => {
    const { zygote, place } = await zygoteOf();
    const plan = await planOf("sleep 60");
    const machine = await started(zygote, plan);
    const server = Number(statusOf(await pidIn(place.folder), "PPid"));
    expect(Number(statusOf(machine.pid, "PPid"))).toBe(server);
    process.kill(server, "SIGKILL");
    await zygote.ended;
    expect(zygote.stale).toBe(true);
    expect(await said(machine, plan, "hostname")).toBe(`${plan.id}\n`);
    await expect(zygote.fork(await planOf(""))).rejects.toMatchObject({ code: "TEMPLATE_FAILED" });
  });

  it("of a template that is broken is none, and leaves no process", async () => {
    const template = await templateOf(shapeOf());
    const broken = join(bench.folder, "broken");
    mkdirSync(broken);
    for (const name of ["memory", "disk"]) copyFileSync(join(template, name), join(broken, name));
    copyFileSync(join(template, "memory"), join(broken, "state"));
    const { folder, socketFolder, outputPath } = await bench.plan("");
    const place = { folder, socketFolder, outputPath, diskPath: join(broken, "disk") };
    await expect(cloning.zygote?.(shapeOf(), broken, place, never)).rejects.toMatchObject({ code: "TEMPLATE_FAILED" });
    expect(await pidIn(folder)).toBe(0);
    rmSync(broken, { recursive: true });
  });
});

describe("a host without a fork server", () => {
  it("has no zygotes", async () => {
    const engine = await GuestBench.engine(bench.folder, { forks: false });
    const { folder, socketFolder, outputPath } = await bench.plan("");
    const template = await templateOf(shapeOf());
    expect(
      await engine.cloning?.zygote?.(shapeOf(), template, { folder, socketFolder, outputPath, diskPath: join(template, "disk") }, never),
    ).toBeUndefined();
    await engine.close();
  });
});
