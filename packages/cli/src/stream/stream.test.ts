import { PassThrough, Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testWorld } from "../testing/test-world.ts";
import { DetachKeys } from "./detach.ts";
import { pumpInput } from "./input.ts";
import { rawTerminal, requireTerminal, terminalSize } from "./raw-terminal.ts";
import { forwardSignals } from "./signals.ts";
import { TimedLines } from "./timed-lines.ts";

const P = 0x10;
const Q = 0x11;

describe("detach keys", () => {
  it.each([
    [[[P, Q]], [], true],
    [[[P], [Q]], [], true],
    [[[65, P, Q, 66]], [65], true],
    [[[P, P, Q]], [P], true],
    [[[P, 65]], [P, 65], false],
    [[[P], [65]], [P, 65], false],
    [[[Q, 65]], [Q, 65], false],
    [[[P]], [], false],
    [[[P, P]], [P], false],
  ])("%j", (chunks, passed, detached) => {
    const keys = new DetachKeys();
    const out: number[] = [];
    let found = false;
    for (const chunk of chunks) {
      const fed = keys.feed(Uint8Array.from(chunk));
      out.push(...fed.bytes);
      found ||= fed.detached;
    }
    expect([out, found]).toEqual([passed, detached]);
  });

  it("lose no other byte, however the input is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 8 }).map((bytes) => bytes.filter((byte) => byte !== P))), (chunks) => {
        const keys = new DetachKeys();
        const out = chunks.flatMap((chunk) => [...keys.feed(chunk).bytes]);
        expect(out).toEqual(chunks.flatMap((chunk) => [...chunk]));
      }),
    );
  });
});

describe("our stdin", () => {
  it("arrives byte for byte at a slow workload, then ends", async () => {
    const source = new PassThrough();
    const got: Buffer[] = [];
    let most = 0;
    const target = new Writable({
      highWaterMark: 1000,
      write(chunk: Buffer, _encoding, done) {
        got.push(chunk);
        most = Math.max(most, target.writableLength);
        setImmediate(done);
      },
    });
    pumpInput(source, target, { detachable: false });
    const sent = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    for (let at = 0; at < sent.length; at += 999) source.write(sent.subarray(at, at + 999));
    source.end();
    await new Promise((resolve) => target.once("finish", resolve));
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    expect(most).toBeLessThan(3000);
  });

  it("stops at the detach keys and leaves the workload's input open", async () => {
    const source = new PassThrough();
    const target = new PassThrough();
    const pump = pumpInput(source, target, { detachable: true });
    source.write(Buffer.from([65, P, Q, 66]));
    await pump.detached;
    expect([...target.read()]).toEqual([65]);
    expect(target.writableEnded).toBe(false);
  });

  it("is let go when the workload ended", async () => {
    const source = new PassThrough();
    const target = new PassThrough();
    pumpInput(source, target, { detachable: false });
    target.destroy();
    await new Promise((resolve) => target.once("close", resolve));
    source.write("x");
    expect(source.listenerCount("data")).toBe(0);
  });
});

describe("signals", () => {
  it("go to the workload; a second Ctrl-C soon after kills", () => {
    const world = testWorld();
    const got: string[] = [];
    let now = 0;
    const end = forwardSignals(world, { send: (name) => got.push(name), kill: () => got.push("kill") }, () => now);
    world.raise("SIGTERM");
    world.raise("SIGINT");
    now += 1000;
    world.raise("SIGINT");
    now += 5000;
    world.raise("SIGINT");
    end();
    world.raise("SIGINT");
    expect(got).toEqual(["SIGTERM", "SIGINT", "kill", "SIGINT"]);
  });
});

describe("our terminal", () => {
  it("tells its size now and at each change, and is put back once", () => {
    const world = testWorld({ terminal: { columns: 100, rows: 30 } });
    const sizes: unknown[] = [];
    const restore = rawTerminal(world, { raw: true, onSize: (size) => sizes.push(size) });
    Object.assign(world.stdout, { columns: 5000, rows: 20 });
    world.stdout.emit("resize");
    restore();
    restore();
    world.stdout.emit("resize");
    expect(sizes).toEqual([
      { columns: 100, rows: 30 },
      { columns: 1000, rows: 20 },
    ]);
    expect(world.rawModes).toEqual([1, -1]);
  });

  it("is asked for by -it only where there is one", () => {
    expect(terminalSize(testWorld())).toBeUndefined();
    expect(() => requireTerminal(testWorld(), { tty: true, interactive: true })).toThrow(/stdin is not a terminal/);
    expect(() => requireTerminal(testWorld(), { tty: true })).not.toThrow();
    expect(() => requireTerminal(testWorld({ terminal: { columns: 1, rows: 1 } }), { tty: true, interactive: true })).not.toThrow();
  });
});

describe("lines with times", () => {
  it("have theirs before each line, whole or in pieces, streams apart", async () => {
    const got = { stdout: "", stderr: "" };
    const lines = new TimedLines({
      write(stream, bytes) {
        got[stream] += bytes.toString();
        return Promise.resolve();
      },
      exit: () => Promise.resolve(),
    });
    await lines.add({ stream: "stdout", time: "T1", text: "one\ntwo ", next: 0 });
    await lines.add({ stream: "stderr", time: "T2", text: "oops\n", next: 0 });
    await lines.add({ stream: "stdout", time: "T3", text: "words\n", next: 0 });
    await lines.add({ stream: "stdout", time: "T4", base64: Buffer.from("x\n").toString("base64"), next: 0 });
    await lines.add({ stream: "system", time: "T5", text: "lost\u001b[1m", next: 0 });
    expect(got).toEqual({ stdout: "T1 one\nT1 two words\nT4 x\n", stderr: "T2 oops\nT5 isthmus: lost\\x1b[1m\n" });
  });
});
