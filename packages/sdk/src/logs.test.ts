import { openDoor } from "@isthmus/door-http/testing";
import { describe, expect, it } from "vitest";
import { Isthmus, IsthmusError, type LogLine } from "./mod.ts";

async function setUp() {
  const open = await openDoor();
  const isthmus = new Isthmus({ socketPath: open.socketPath });
  const machine = await isthmus.machines.run({ image: "busybox" });
  return {
    ...open,
    isthmus,
    machine,
    print: (stream: LogLine["stream"], bytes: Buffer | string) => open.deps.machines.print(machine.id, stream, bytes),
    async [Symbol.asyncDispose]() {
      isthmus.close();
      await open[Symbol.asyncDispose]();
    },
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("logs", () => {
  it("gives lines with streams and times, and bytes that are no UTF-8 as base64", async () => {
    await using t = await setUp();
    t.print("stdout", "grüß\n");
    t.print("stderr", Buffer.of(0xff, 0x00));
    t.print("system", "output was dropped");
    const lines = await all(t.machine.logs());
    expect(lines).toMatchObject([
      { stream: "stdout", text: "grüß\n" },
      { stream: "stderr", base64: "/wA=" },
      { stream: "system", text: "output was dropped" },
    ]);
    expect(lines[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect(await all(t.machine.logs({ stdout: false }))).toHaveLength(2);
    expect(await all(t.machine.logs({ tail: 1 }))).toHaveLength(1);
  });

  it("follows until the machine ends", async () => {
    await using t = await setUp();
    t.print("stdout", "one");
    const seen: string[] = [];
    for await (const line of t.machine.logs({ follow: true })) {
      seen.push(line.text ?? "");
      if (seen.length === 1) setImmediate(() => t.print("stdout", "two"));
      if (seen.length === 2) setImmediate(() => t.deps.machines.exit(t.machine.id, { code: 0 }));
    }
    expect(seen).toEqual(["one", "two"]);
  });

  it("come along with a run that is followed, and are let go of with the machine", async () => {
    await using t = await setUp();
    const machine = await t.isthmus.machines.run({ image: "busybox", name: "mine" }, { follow: true });
    expect([machine.id, machine.info.name]).toEqual([machine.ref, "mine"]);
    t.deps.machines.print(machine.id, "stdout", "one");
    expect((await machine.output.next()).value).toMatchObject({ stream: "stdout", text: "one" });
    expect(t.deps.machines.entry("mine").more.size).toBe(1);
    const { more } = t.deps.machines.entry("mine");
    await machine[Symbol.asyncDispose]();
    await expect.poll(() => more.size).toBe(0);
    t.deps.machines.refusal = new IsthmusError("NO_CAPACITY", { what: "one more machine", needed: 1, free: 0 });
    await expect(t.isthmus.machines.run({ image: "busybox" }, { follow: true })).rejects.toMatchObject({ code: "NO_CAPACITY" });
  });

  it("stops following when the signal is aborted and when the loop is left", async () => {
    await using t = await setUp();
    const abort = new AbortController();
    const reading = all(t.machine.logs({ follow: true, signal: abort.signal })).catch((error: { code: string }) => error.code);
    await expect.poll(() => t.deps.machines.signals.length).toBe(2);
    abort.abort();
    expect(await reading).toBe("CANCELLED");
    await expect.poll(() => t.deps.machines.signals.every((signal, index) => index === 0 || signal.aborted)).toBe(true);
  });

  it("throws MACHINE_NOT_FOUND for a machine that is not there, raw or not", async () => {
    await using t = await setUp();
    const nobody = t.isthmus.machines.handle("nobody");
    await expect(all(nobody.logs())).rejects.toMatchObject({ code: "MACHINE_NOT_FOUND" });
    await expect(all(nobody.rawLogs({ follow: true }))).rejects.toMatchObject({ code: "MACHINE_NOT_FOUND" });
  });

  it("refuses a time that is none", async () => {
    await using t = await setUp();
    await expect(all(t.machine.logs({ since: "yesterday" }))).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    for (const since of ["10m", 1_700_000_000, new Date()]) expect(await all(t.machine.logs({ since }))).toEqual([]);
  });

  it("passes 64 MB of any bytes through raw logs unchanged, while a slow reader pushes back", async () => {
    await using t = await setUp();
    const pieces = Array.from({ length: 1024 }, (_, index) => Buffer.alloc(65_536 - (index % 7), index));
    for (const [index, piece] of pieces.entries()) t.print(index % 2 === 0 ? "stdout" : "stderr", piece);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    for await (const { stream, bytes } of t.machine.rawLogs()) {
      (stream === "stdout" ? out : err).push(Buffer.from(bytes));
      if (out.length % 100 === 0) await new Promise(setImmediate);
    }
    const wanted = (odd: number) => Buffer.concat(pieces.filter((_, index) => index % 2 === odd));
    expect(Buffer.concat(out).equals(wanted(0))).toBe(true);
    expect(Buffer.concat(err).equals(wanted(1))).toBe(true);
  });
});
