import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { LiveMachine, StartPlan } from "@isthmus/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestBench } from "./guest.fixture.ts";

let bench: GuestBench;
let plan: StartPlan;
let machine: LiveMachine;
beforeAll(async () => {
  bench = await GuestBench.create();
  plan = await bench.plan("cat; echo input ended; sleep 3600", {
    process: { stdin: true },
    tmpfs: [{ path: "/tmp", sizeBytes: 32 << 20 }],
  });
  machine = await bench.start(plan);
});
afterAll(() => bench.close());

describe("exec", () => {
  it("gives output of both channels and the exit code", async () => {
    const run = await machine.exec({ command: ["sh", "-c", "echo $GREETING; echo no >&2; exit 5"] }, plan.workload);
    expect(await Promise.all([text(run.stdout), text(run.stderr), run.exit])).toEqual(["hello\n", "no\n", { code: 5 }]);
  });

  it("carries megabytes through stdin and stdout byte for byte", async () => {
    const bytes = Buffer.alloc(6 * 1024 * 1024, createHash("sha256").update("seed").digest());
    const run = await machine.exec({ command: ["cat"], stdin: true }, plan.workload);
    const [output] = await Promise.all([buffer(run.stdout), run.write(bytes).then(() => run.end())]);
    expect(output.equals(bytes)).toBe(true);
    expect(await run.exit).toEqual({ code: 0 });
  });

  it("holds the guest back when nobody reads, and others go on meanwhile", async () => {
    const flood = await machine.exec({ command: ["yes"] }, plan.workload);
    const other = await machine.exec({ command: ["echo", "still here"] }, plan.workload);
    expect(await text(other.stdout)).toBe("still here\n");
    await flood.signal(15);
    flood.close();
    expect(await flood.exit).toEqual({ code: 143, signal: 15 });
  });

  it("has a terminal that can be resized", async () => {
    const run = await machine.exec(
      { command: ["sh", "-c", "read go; stty size"], tty: true, stdin: true, columns: 80, rows: 24 },
      plan.workload,
    );
    await run.resize(101, 33);
    await run.write(Buffer.from("go\n"));
    expect(await text(run.stdout)).toContain("33 101");
    expect(await run.exit).toEqual({ code: 0 });
  });

  it("of what does not exist exits with 127", async () => {
    const run = await machine.exec({ command: ["/no/such"] }, plan.workload);
    expect(await run.exit).toMatchObject({ code: 127 });
  });
});

describe("files", () => {
  it("go in and come out as archives", async () => {
    const packed = await buffer(await machine.getArchive("/etc/passwd"));
    await machine.putArchive("/tmp", Readable.from([packed]));
    expect(await machine.statPath("/tmp/passwd")).toMatchObject({ type: "file" });
    const check = await machine.exec({ command: ["sha256sum", "/etc/passwd", "/tmp/passwd"] }, plan.workload);
    const sums = (await text(check.stdout)).split("\n").map((line) => line.split(" ")[0]);
    expect(sums[0]).toBe(sums[1]);
  });

  it("that are missing are PATH_NOT_FOUND", async () => {
    await expect(machine.statPath("/no")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(machine.getArchive("/no")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(machine.putArchive("/no", Readable.from([Buffer.alloc(1024)]))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  });

  it("that are no archive are BAD_ARCHIVE", async () => {
    await expect(machine.putArchive("/tmp", Readable.from([Buffer.alloc(2048, 7)]))).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
  });
});

describe("a running machine", () => {
  it("tells what it uses, in the guest and on the host", async () => {
    const stats = await machine.stats();
    expect(stats.memory.totalBytes).toBeGreaterThan(0);
    expect(stats.hostRssBytes).toBeGreaterThan(stats.memory.totalBytes / 4);
    expect(stats.hostCpuMs).toBeGreaterThan(0);
  });

  it("stands still while it is paused", async () => {
    const counting = await bench.plan("while :; do echo on; sleep 0.1; done");
    const counter = await bench.start(counting);
    const counted = async () => (await bench.records(counting)).length;
    await expect.poll(counted).toBeGreaterThan(1);
    await counter.pause();
    expect(counter.paused).toBe(true);
    await expect(counter.exec({ command: ["true"] }, counting.workload)).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    const before = await counted();
    await sleep(1_000);
    expect(await counted()).toBe(before);
    await counter.unpause();
    const run = await counter.exec({ command: ["true"] }, counting.workload);
    expect(await run.exit).toEqual({ code: 0 });
    await expect.poll(counted).toBeGreaterThan(before);
    await counter.kill();
  });

  it("reads what is attached to it, to its end", async () => {
    const input = await machine.attach();
    await input.write(Buffer.from("typed\n"));
    await input.end();
    while (!(await bench.records(plan)).join("").includes("input ended")) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await bench.records(plan)).join("")).toContain("typed\n");
  });

  it("stops in order, even when it is paused", async () => {
    await machine.pause();
    await machine.shutdown(15, 200);
    expect(await machine.ended).toEqual({ status: "exit status 0" });
    expect((await bench.records(plan)).at(-1)).toMatch(/^exit \{"code":(143|137)/);
  });
});
