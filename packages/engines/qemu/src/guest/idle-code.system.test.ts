import { readFileSync } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import type { LiveMachine, StartPlan } from "@isthmus/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { agentPath, GuestBench } from "../guest.fixture.ts";

const AFTER_MS = 2_000;
const never = new AbortController().signal;
/** Wakes up ten times a second and does next to nothing, without another process. */
const IDLE = "busybox mkfifo f; exec 3<>f; while :; do read -t 0.1 nothing <&3; done";
const BUSY = "while :; do :; done";
/** KiB that a guest's start alone makes, several times over */
const LITTLE = 4_096;

let bench: GuestBench;
beforeAll(async () => {
  bench = await GuestBench.create({ idleCodeMs: AFTER_MS, accelerator: "tcg" });
});
afterAll(() => bench.close());

/** KiB of translated code that a machine holds. */
function codeKib({ pid }: LiveMachine): number {
  const areas = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const code = areas.filter((area) => /^\S+ rwxp \S+ \S+ 0 /.test(area));
  expect(code.length).toBeGreaterThan(0);
  return code.map((area) => Number(/^Rss: +(\d+)/m.exec(area)?.[1])).reduce((sum, kib) => sum + kib, 0);
}

async function given(machine: LiveMachine): Promise<void> {
  while (codeKib(machine) > LITTLE) await sleep(100);
}

async function start(script: string, cpus = 1): Promise<LiveMachine> {
  return await bench.start(await bench.plan(script, { cpus, tmpfs: [{ path: "/run", sizeBytes: 1 << 20 }], process: { cwd: "/run" } }));
}

/** A guest that was seen to hold code: one whose start was told of late may have been idle for long enough by then. */
async function startedWithCode(script: string, cpus = 1): Promise<LiveMachine> {
  for (let left = 4; ; left -= 1) {
    const machine = await start(script, cpus);
    const held = codeKib(machine);
    if (held > LITTLE) return machine;
    await machine.kill();
    if (left === 0) expect(held).toBeGreaterThan(LITTLE);
  }
}

/** KiB that an idle guest holds after a pause; undefined when it may have been idle for long enough before or since, because the host was that busy. */
async function heldOverPause(machine: LiveMachine): Promise<number | undefined> {
  // What a boot leaves for later is work.
  await sleep(AFTER_MS / 2);
  await machine.pause();
  if (codeKib(machine) <= LITTLE) return undefined;
  await sleep(AFTER_MS + 500);
  const began = performance.now();
  await machine.unpause();
  await sleep(AFTER_MS / 4);
  const held = codeKib(machine);
  return performance.now() - began < AFTER_MS ? held : undefined;
}

describe("the translated code of a guest", () => {
  it("is given back when that is idle, by one that works it is kept; both go on", async () => {
    const [idle, pair, busy] = await Promise.all([startedWithCode(IDLE), startedWithCode(IDLE, 2), startedWithCode(BUSY)]);
    for (let round = 0; round < 2; round += 1) {
      await Promise.all([given(idle), given(pair)]);
      expect(codeKib(busy)).toBeGreaterThan(LITTLE);
      for (const machine of [idle, pair]) {
        const { stdout } = await machine.exec(
          { command: ["sh", "-c", "ls -lR /bin | sha256sum | wc -c"] },
          (await bench.plan("")).workload,
        );
        expect(await text(stdout)).toBe("68\n");
      }
    }
    await Promise.all([idle, pair, busy].map((machine) => machine.kill()));
  });

  it("is kept over a pause, however long that is", async () => {
    let held: number | undefined;
    for (let round = 0; round < 5 && held === undefined; round += 1) {
      const machine = await start(IDLE);
      held = await heldOverPause(machine);
      await given(machine);
      await machine.kill();
    }
    expect(held).toBeGreaterThan(LITTLE);
  });
});

/** A machine that is a fork of a zygote of its own. */
async function forkOf(script: string): Promise<{ machine: LiveMachine; plan: StartPlan; end: () => Promise<void> }> {
  const { cloning } = bench.engine;
  const plan = await bench.plan(script, { tmpfs: [{ path: "/run", sizeBytes: 1 << 20 }], process: { cwd: "/run" } });
  const { rootfsPath, cpus, memoryBytes, network } = plan;
  const shape = { rootfsPath, cpus, memoryBytes, network };
  const template = join(bench.folder, `template-${plan.id}`);
  await mkdir(template);
  await cloning?.make(shape, { folder: template, socketFolder: template }, never);
  const { folder, socketFolder, outputPath } = await bench.plan("");
  const zygote = await cloning?.zygote?.(shape, template, { folder, socketFolder, outputPath }, never);
  const clone = await zygote?.fork(plan);
  clone?.wake(plan);
  const machine = await clone?.start(plan, never);
  if (machine === undefined) throw new IsthmusError("INTERNAL", { reason: "there are no zygotes here" });
  return { machine, plan, end: async () => void (await Promise.all([machine.kill(), zygote?.end()])) };
}

describe("a fork of a zygote keeps the code that it has in common with others", () => {
  it("until it has worked itself", async () => {
    const { machine, plan, end } = await forkOf(IDLE);
    await sleep(3 * AFTER_MS);
    expect(codeKib(machine)).toBeGreaterThan(LITTLE);
    const { stdout } = await machine.exec({ command: ["sh", "-c", "head -c 30000000 /dev/zero | sha256sum | wc -c"] }, plan.workload);
    expect(await text(stdout)).toBe("68\n");
    await given(machine);
    await end();
  });

  it("until it was idle for long", async () => {
    const { machine, end } = await forkOf(IDLE);
    await sleep(3 * AFTER_MS);
    expect(codeKib(machine)).toBeGreaterThan(LITTLE);
    await given(machine);
    await end();
  });
});

it("a QEMU that does not take the plugin runs guests without it, and the verdict says so", async () => {
  const folder = join(bench.folder, "no-plugin");
  await mkdir(folder);
  await writeFile(join(folder, "isthmus-idle.so"), "no library");
  await copyFile(join(agentPath, "../tsc-khz"), join(folder, "tsc-khz"));
  const engine = await GuestBench.engine(folder, { agentPath: join(folder, "isthmus-agent"), accelerator: "tcg" });
  const verdict = await engine.accelerator();
  expect(verdict).toMatchObject({ accelerator: "tcg", machineType: "microvm" });
  expect(verdict.reason).toMatch(/microvm with CPU max and the plugin for idle guests: QEMU ended: /);
  const machine = await engine.start(await bench.plan("true"), new AbortController().signal);
  expect(machine.accelerator).toBe("tcg");
  await machine.kill();
  await engine.close();
});
