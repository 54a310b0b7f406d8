import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeRecord } from "@isthmus/agent-client";
import type { OutputRecord } from "@isthmus/core";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FOLLOWER_WAIT_FACTOR } from "./config.ts";
import { Followers } from "./followers.ts";
import { trim } from "./keep.ts";
import { readRecords } from "./read.ts";

let folder: string;
let path: string;
let followers: Followers;
let count: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-output-"));
  path = join(folder, "output.log");
  followers = new Followers();
  count = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A record whose payload tells its own number and size, so that one with a wrong byte is known. */
const payloadOf = (number: number, bytes: number) => Buffer.from(`${number}:${bytes}:`.padEnd(bytes, `${number % 10}`));
function print(records: number, bytes: number): void {
  const made = Array.from({ length: records }, () => {
    const payload = payloadOf(count, bytes);
    count += 1;
    return encodeRecord({ kind: "stdout", timeNs: 1n, seq: count, payload });
  });
  appendFileSync(path, Buffer.concat(made));
}

/** Where the reader is after `record`; fails unless the record is whole and follows on what was read up to `at`, or tells how much is missing between. */
function check(record: OutputRecord, at: number): number {
  if (record.kind === "dropped") {
    expect(JSON.parse(record.payload.toString())).toEqual({ bytes: record.nextOffset - at });
    return record.nextOffset;
  }
  const [number, bytes] = record.payload.toString("latin1").split(":").map(Number);
  expect(record.payload.equals(payloadOf(number ?? -1, bytes ?? 0))).toBe(true);
  expect(record.nextOffset).toBe(at + 24 + record.payload.length);
  return record.nextOffset;
}

type Command = { readonly print: number; readonly bytes: number } | { readonly trim: number } | { readonly read: number };

/** Does all of it around one follower, and checks every record that it gets. */
async function obey(commands: readonly Command[]): Promise<void> {
  rmSync(`${path}.head`, { force: true });
  writeFileSync(path, "");
  followers = new Followers();
  count = 0;
  print(1, 20);
  const over = Promise.withResolvers<void>();
  const reading = readRecords(path, { follow: true, until: over.promise }, followers);
  let at = 0;
  const read = async () => {
    const { value } = await reading.next();
    if (value) at = check(value, at);
  };
  await read();
  for (const one of commands) {
    if ("print" in one) print(one.print, one.bytes);
    else if ("trim" in one) await trim(path, one.trim, followers);
    else for (let left = one.read; left > 0 && at < statSync(path).size; left -= 1) await read();
  }
  over.resolve();
  for await (const record of reading) at = check(record, at);
  expect(at).toBe(statSync(path).size);
  expect(followers.slowest(path)).toBe(Number.POSITIVE_INFINITY);
}

describe("a follower that is overtaken", () => {
  it("is told how much it missed, and never gets zeros for output", async () => {
    print(1000, 4001);
    const reading = readRecords(path, { follow: true, until: Promise.resolve() }, followers);
    let at = 0;
    let dropped = 0;
    const step = async () => {
      const { value, done } = await reading.next();
      if (done || !value) return false;
      if (value.kind === "dropped") dropped += 1;
      at = check(value, at);
      return true;
    };
    await step();
    expect(await trim(path, 512 * 1024, followers)).toBeGreaterThan(3_000_000);
    while (await step());
    expect([dropped, at]).toEqual([1, statSync(path).size]);
  });

  it("misses nothing silently, whatever is written, trimmed and read in between", async () => {
    const command = fc.oneof(
      fc.record({ print: fc.integer({ min: 1, max: 40 }), bytes: fc.integer({ min: 12, max: 60_000 }) }),
      fc.record({ trim: fc.integer({ min: 4096, max: 400_000 }) }),
      fc.record({ read: fc.integer({ min: 1, max: 30 }) }),
    );
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    const run = fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30 }), async (commands) => {
      await obey(commands);
    });
    await fc.assert(run, { numRuns: Number(process.env.N ?? 60), seed });
  });

  it("holds its place from before it looks for the last lines", async () => {
    print(3000, 4001);
    const reading = readRecords(path, { tailLines: 1 }, followers);
    const first = reading.next();
    while (followers.slowest(path) === Number.POSITIVE_INFINITY) await new Promise((resolve) => setImmediate(resolve));
    const { size } = statSync(path);
    expect(await trim(path, size * 0.6, followers)).toBe(0);
    expect((await first).value).toMatchObject({ kind: "stdout", nextOffset: 4025 });
    await reading.return();
  });
});

describe("a guest that writes no records", () => {
  it("cannot make the file grow beyond its limit", async () => {
    const limit = 1024 * 1024;
    print(10, 4001);
    for (let n = 0; n < 20; n += 1) {
      appendFileSync(path, Buffer.alloc(limit / 2, "ILOGx"));
      await trim(path, limit, followers);
      expect(statSync(path).blocks * 512).toBeLessThanOrEqual(limit * FOLLOWER_WAIT_FACTOR + 4096);
    }
    const from = statSync(path).size;
    print(5, 4001);
    const found: number[] = [];
    for await (const record of readRecords(path, {}, followers)) if (record.nextOffset > from) found.push(record.payload.length);
    expect(found).toEqual([4001, 4001, 4001, 4001, 4001]);
  });
});

describe("a reader that comes back", () => {
  it("goes on at its place, and is told what went meanwhile", async () => {
    print(20, 4096);
    const all = await Array.fromAsync(readRecords(path, {}, followers));
    const place = all[2]?.nextOffset ?? 0;
    const rest = await Array.fromAsync(readRecords(path, { fromOffset: place }, followers));
    expect(rest.map(({ nextOffset }) => nextOffset)).toEqual(all.slice(3).map(({ nextOffset }) => nextOffset));
    await trim(path, 5 * 4096, followers);
    let at = place;
    for await (const record of readRecords(path, { fromOffset: place }, followers)) {
      if (at === place) expect(record.kind).toBe("dropped");
      at = check(record, at);
    }
    expect(at).toBe(statSync(path).size);
  });
});
