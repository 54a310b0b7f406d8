import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import type { CaptureFacts, LiveMachine, Saving, StartPlan } from "@isthmus/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { GuestBench } from "../guest.fixture.ts";
import { memoryPath } from "../template/files.ts";
import { savedDiskPath } from "./files.ts";
import { createQcow2 } from "./qcow2.ts";

const DISK_BYTES = 64 * 1024 * 1024;
const never = new AbortController().signal;
/** a suspended machine's, longer than its clock may be wrong */
const AWAY_MS = 12_000;
/** the host sets it, to the moment at which it asked for that; the guest tells whole seconds */
const CLOCK_ERROR_SECONDS = 8;
/** counts for ever: what it says tells whether it went on, began anew, or lost a step */
const COUNTING = "i=0; while :; do i=$((i+1)); echo $i > /count; head -c 8 /dev/urandom | od -An -tx8; sleep 0.1; done";

let bench: GuestBench;
let saving: Saving;
const open: LiveMachine[] = [];

beforeAll(async () => {
  bench = await GuestBench.create();
  if (bench.engine.saving === undefined) throw new IsthmusError("INTERNAL", { reason: "the engine cannot save guests" });
  saving = bench.engine.saving;
});
afterEach(async () => {
  for (const machine of open.splice(0)) await machine.kill();
});
afterAll(() => bench.close());

async function plan(more: Partial<StartPlan> = {}): Promise<StartPlan> {
  const made = await bench.plan(COUNTING, { diskBytes: DISK_BYTES, ...more });
  const diskPath = join(made.folder, "disk.ext4");
  await bench.disk(diskPath, DISK_BYTES);
  return { ...made, hostname: made.id, diskPath };
}

async function started(of: StartPlan): Promise<LiveMachine> {
  const machine = await bench.start(of);
  open.push(machine);
  return machine;
}

async function folder(name: string): Promise<string> {
  const path = join(bench.folder, name);
  await rm(path, { recursive: true, force: true });
  await mkdir(path);
  return path;
}

async function said(machine: LiveMachine, of: StartPlan, script: string): Promise<string> {
  const stream = await machine.exec({ command: ["sh", "-c", script] }, of.workload);
  return (await text(stream.stdout)).trim();
}

/** The file is empty for a moment whenever it is written. */
const counted = async (machine: LiveMachine, of: StartPlan) =>
  Number(await said(machine, of, "x=; while [ -z $x ]; do x=$(cat /count); done; echo $x"));

/** A clone of what was saved in `from`. */
async function cloned(from: string, facts: CaptureFacts): Promise<{ machine: LiveMachine; of: StartPlan }> {
  const made = await bench.plan(COUNTING, { diskBytes: DISK_BYTES });
  const of: StartPlan = { ...made, hostname: made.id, diskPath: join(made.folder, "disk.qcow2"), diskFormat: "qcow2" };
  await createQcow2(of.diskPath ?? "", DISK_BYTES, { name: savedDiskPath(from), format: "qcow2" });
  await writeFile(of.outputPath, "");
  const machine = await saving.restore(of, { folder: from, parts: facts.parts, newIdentity: true }, never);
  open.push(machine);
  return { machine, of };
}

const identity = "hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx8";

describe("a machine that is saved and goes on", () => {
  it("goes on, and so do its clones: same files and processes, other identities and random numbers", async () => {
    const of = await plan();
    const machine = await started(of);
    await said(machine, of, "echo before > /file; sync");
    const held = await machine.exec({ command: ["sh", "-c", "read line; echo got $line"], stdin: true }, of.workload);
    const from = await folder("snapshot");
    const facts = await machine.capture({ folder: from, goOn: true }, never);
    expect(facts.sizeBytes).toBeGreaterThan(1024 * 1024);
    await held.write(Buffer.from("hello\n"));
    expect(await text(held.stdout)).toBe("got hello\n");
    const at = await counted(machine, of);
    await said(machine, of, "echo after > /file; sync");
    const clones = [await cloned(from, facts), await cloned(from, facts)];
    for (const { machine: clone, of: ofClone } of clones) {
      expect(await said(clone, ofClone, "cat /file")).toBe("before");
      expect(await said(clone, ofClone, "echo own > /file; sync; cat /file")).toBe("own");
    }
    expect(await said(machine, of, "cat /file")).toBe("after");
    await expect.poll(() => counted(machine, of)).toBeGreaterThan(at);
    const identities = await Promise.all([said(machine, of, identity), ...clones.map((one) => said(one.machine, one.of, identity))]);
    const lines = identities.flatMap((one) => one.split("\n"));
    expect(lines).toHaveLength(12);
    expect(new Set(lines).size).toBe(lines.length);
    // The first may have been drawn before the snapshot and stood in the pipe then: both clones hold it, as the docs say.
    const drawnSince = async () => (await Promise.all(clones.map(async (one) => (await bench.records(one.of)).slice(1, 6)))).flat();
    await expect.poll(async () => (await drawnSince()).length).toBeGreaterThan(2);
    const drawn = await drawnSince();
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  it("keeps nothing of what is refused: another engine, kernel or processor", async () => {
    const of = await plan();
    const machine = await started(of);
    const from = await folder("foreign");
    const facts = await machine.capture({ folder: from, goOn: true }, never);
    expect(await saving.refusal(facts.parts)).toBeUndefined();
    for (const part of ["engine", "kernel", "hostCpu", "variant", "layout"]) {
      const parts = { ...facts.parts, [part]: "another" };
      expect(await saving.refusal(parts), part).toContain("another");
      const target = await bench.plan("true");
      await expect(saving.restore(target, { folder: from, parts, newIdentity: true }, never)).rejects.toMatchObject({
        code: "SNAPSHOT_UNUSABLE",
      });
    }
    expect((await bench.engine.processes(bench.machinesFolder)).map(({ pid }) => pid)).toEqual([machine.pid]);
  });

  it("is itself again when saving fails", async () => {
    const of = await plan();
    const machine = await started(of);
    const from = join(bench.folder, "no-such-folder");
    await expect(machine.capture({ folder: from, goOn: true }, never)).rejects.toMatchObject({ code: "CAPTURE_FAILED" });
    await expect(machine.capture({ folder: from, goOn: false }, never)).rejects.toMatchObject({ code: "CAPTURE_FAILED" });
    const at = await counted(machine, of);
    await expect.poll(() => counted(machine, of)).toBeGreaterThan(at);
    await machine.capture({ folder: await folder("again"), goOn: true }, never);
  });

  it("is let go on by a later daemon when its own died over it", async () => {
    const of = await plan();
    const machine = await started(of);
    await machine.capture({ folder: await folder("given-up"), goOn: false }, never);
    machine.release();
    const adopted = await bench.adopt(of);
    if (adopted === undefined) throw new IsthmusError("INTERNAL", { reason: "it is gone" });
    expect(adopted.paused).toBe(false);
    const at = await counted(adopted, of);
    await expect.poll(() => counted(adopted, of)).toBeGreaterThan(at);
    adopted.release();
  });
});

describe("a machine that is saved and ended", () => {
  it("goes on where it was, as who it was, with the right time", async () => {
    const of = await plan();
    const machine = await started(of);
    await sleep(500);
    const who = await said(machine, of, "hostname; cat /etc/machine-id");
    const earlier = await counted(machine, of);
    const from = await folder("suspended");
    const facts = await machine.capture({ folder: from, goOn: false }, never);
    expect(machine.paused).toBe(true);
    await machine.kill();
    await machine.ended;
    await sleep(AWAY_MS);
    let used = false;
    const before = async () => {
      used = true;
    };
    const resumed = await saving.restore(of, { folder: from, parts: facts.parts, newIdentity: false, before }, never);
    open.push(resumed);
    expect(used).toBe(true);
    const at = await counted(resumed, of);
    expect(at).toBeGreaterThanOrEqual(earlier);
    expect(await said(resumed, of, "hostname; cat /etc/machine-id")).toBe(who);
    const asked = Date.now() / 1000;
    const time = Number(await said(resumed, of, "date +%s"));
    expect(time).toBeGreaterThan(asked - CLOCK_ERROR_SECONDS);
    expect(time).toBeLessThan(Date.now() / 1000 + CLOCK_ERROR_SECONDS);
    await expect.poll(() => counted(resumed, of)).toBeGreaterThan(at);
    // Its memory is mapped from what was saved: saved once more, it needs that file no longer.
    await rm(from, { recursive: true });
    const second = await folder("suspended-again");
    await resumed.capture({ folder: second, goOn: false }, never);
    await resumed.kill();
    const again = await saving.restore(of, { folder: second, parts: facts.parts, newIdentity: false }, never);
    open.push(again);
    expect(await counted(again, of)).toBeGreaterThan(at);
  });

  it("says that what was saved is damaged", async () => {
    const of = await plan();
    const machine = await started(of);
    const from = await folder("damaged");
    const facts = await machine.capture({ folder: from, goOn: false }, never);
    await machine.kill();
    await writeFile(join(from, "state"), "no state");
    await expect(saving.restore(of, { folder: from, parts: facts.parts, newIdentity: false }, never)).rejects.toMatchObject({
      code: "SNAPSHOT_UNUSABLE",
    });
    await rm(memoryPath(from));
    await expect(saving.restore(of, { folder: from, parts: facts.parts, newIdentity: false }, never)).rejects.toBeInstanceOf(IsthmusError);
    expect(await bench.engine.processes(bench.machinesFolder)).toEqual([]);
  });
});
