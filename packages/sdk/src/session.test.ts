import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { openDoor } from "@isthmus/door-http/testing";
import { describe, expect, it } from "vitest";
import { Isthmus, type MachineSpec } from "./mod.ts";

async function setUp(spec: Partial<MachineSpec> = {}) {
  const open = await openDoor();
  const isthmus = new Isthmus({ socketPath: open.socketPath });
  const machine = await isthmus.machines.run({ image: "busybox", ...spec });
  return {
    ...open,
    isthmus,
    machine,
    async [Symbol.asyncDispose]() {
      isthmus.close();
      await open[Symbol.asyncDispose]();
    },
  };
}

async function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("exec", () => {
  it("keeps stdout, stderr and the exit code apart", async () => {
    await using t = await setUp();
    const result = await t.machine.execText(["sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
  });

  it("gives the signal that ended the process", async () => {
    await using t = await setUp();
    const session = await t.machine.exec(["sleep", "60"]);
    expect(session.pid).toBeGreaterThan(0);
    session.resize(120, 40);
    session.kill("TERM");
    expect(await session.exit).toEqual({ code: 143, signal: 15 });
    expect(t.deps.machines.spawned[0]?.sizes).toEqual(["120x40"]);
  });

  it("passes 32 MB through stdin and back unchanged, pushing back on both sides", async () => {
    await using t = await setUp();
    const session = await t.machine.exec(["cat"], { stdin: true });
    session.stderr.resume();
    const sent = createHash("sha256");
    const got = createHash("sha256");
    let size = 0;
    const source = Readable.from(
      (function* () {
        for (let index = 0; index < 320; index += 1) {
          const chunk = Buffer.alloc(100_003, index);
          sent.update(chunk);
          yield chunk;
        }
      })(),
    );
    const reading = (async () => {
      for await (const chunk of session.stdout) {
        got.update(chunk);
        size += chunk.length;
      }
    })();
    await Promise.all([pipeline(source, session.stdin), reading, session.exit]);
    expect(size).toBe(320 * 100_003);
    expect(got.digest("hex")).toBe(sent.digest("hex"));
  });

  it("holds the process back when nobody reads", async () => {
    await using t = await setUp();
    const session = await t.machine.exec(["sh", "-c", "yes | head -c 50000000"]);
    const before = process.memoryUsage().arrayBuffers;
    // Both ends of the way are full, so that it is not the process that stands still.
    const ends = [t.deps.machines.spawned[0]?.stdout, session.stdout];
    let held = 0;
    const standsFull = () => {
      const earlier = held;
      held = session.stdout.readableLength;
      return held === earlier && ends.every((end) => end !== undefined && end.readableLength >= end.readableHighWaterMark);
    };
    await expect.poll(standsFull, { interval: 200 }).toBe(true);
    expect(held).toBeLessThan(5_000_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    session.stderr.resume();
    expect((await text(session.stdout)).length).toBe(50_000_000);
    expect(await session.exit).toEqual({ code: 0 });
  });

  it("refuses what cannot be run before it is started", async () => {
    await using t = await setUp();
    await expect(t.machine.exec([])).rejects.toMatchObject({ code: "INVALID_REQUEST", details: { field: "command" } });
    await expect(t.machine.exec(["a\0b"])).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    await expect(t.isthmus.machines.handle("nobody").exec(["true"])).rejects.toMatchObject({ code: "MACHINE_NOT_FOUND" });
    await t.machine.pause();
    await expect(t.machine.exec(["true"])).rejects.toMatchObject({ code: "STATE_CONFLICT" });
  });

  it("hangs up on the process when the client goes away", async () => {
    await using t = await setUp();
    const session = await t.machine.exec(["sleep", "60"]);
    session.close();
    await expect(session.exit).rejects.toMatchObject({ code: "CANCELLED" });
    await expect.poll(() => t.deps.machines.spawned[0]?.signals).toEqual([1]);
    await expect.poll(() => t.deps.machines.spawned[0]?.closed).toBe(true);
  });

  it("ends with CANCELLED when its signal is aborted", async () => {
    await using t = await setUp();
    const abort = new AbortController();
    const session = await t.machine.exec(["sleep", "60"], { signal: abort.signal });
    abort.abort();
    await expect(session.exit).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await text(session.stdout)).toBe("");
    await expect.poll(() => t.deps.machines.spawned[0]?.signals).toEqual([1]);
  });

  it("tells that the daemon stopped, and leaves the process alone", async () => {
    const t = await setUp();
    const session = await t.machine.exec(["sleep", "60"]);
    const failed = session.exit.catch((error: { code: string }) => error.code);
    await t[Symbol.asyncDispose]();
    expect(await failed).toBe("SHUTTING_DOWN");
    expect(t.deps.machines.spawned[0]?.signals).toEqual([]);
    await t.deps.machines.spawned[0]?.signal(9);
  });

  it("ends a script that writes to a process which has gone", async () => {
    await using t = await setUp();
    const session = await t.machine.exec(["true"], { stdin: true });
    expect(await session.exit).toEqual({ code: 0 });
    const late = new Promise((resolve) => session.stdin.write("too late", resolve));
    expect(await late).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
    session.stdin.end();
    await expect.poll(() => session.stdin.closed).toBe(true);
  });
});

describe("attach", () => {
  it("joins input and output, with the output so far when asked for", async () => {
    await using t = await setUp({ stdin: true });
    t.deps.machines.print(t.machine.id, "stdout", "before ");
    const session = await t.machine.attach({ logs: true });
    session.stderr.resume();
    session.stdin.write("typed");
    session.stdin.end();
    expect(await text(session.stdout)).toBe("before typed");
    expect(await session.exit).toEqual({ code: 0 });
  });

  it("begins with what comes next when the output so far is not asked for", async () => {
    await using t = await setUp({ stdin: true });
    t.deps.machines.print(t.machine.id, "stdout", "before ");
    const session = await t.machine.attach();
    session.stderr.resume();
    session.stdin.end("typed");
    expect(await text(session.stdout)).toBe("typed");
  });

  it("only watches a machine without input", async () => {
    await using t = await setUp();
    await expect(t.machine.attach()).rejects.toMatchObject({ code: "NOT_INTERACTIVE" });
    const session = await t.machine.attach({ stdin: false });
    session.stdout.resume();
    session.stderr.resume();
    session.kill("KILL");
    expect(await session.exit).toMatchObject({ code: 137, reason: "killed" });
  });
});
