import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeRecord, type RecordKind } from "@isthmus/agent-client";
import type { OutputReadOptions } from "@isthmus/core";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Followers } from "./followers.ts";
import { trim } from "./keep.ts";
import { createOutputFiles } from "./mod.ts";

let folder: string;
let path: string;
const files = createOutputFiles();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-output-"));
  path = join(folder, "output.log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

let seq = 0;
const encode = (kind: RecordKind, text: string | Buffer, timeNs = 1n) =>
  encodeRecord({ kind, timeNs, seq: seq++, payload: Buffer.from(text) });

async function read(options?: OutputReadOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const record of files.read(path, options)) found.push(`${record.kind}:${record.payload.toString()}`);
  return found;
}

describe("reading", () => {
  it("gives whole records and passes over a torn last one, wherever it is cut", async () => {
    const whole = [encode("start", "{}"), encode("stdout", "one\n"), encode("stderr", "ILOG two\n")];
    const last = encode("exit", '{"code":3}');
    for (let cut = 0; cut < last.length; cut += 1) {
      writeFileSync(path, Buffer.concat([...whole, last.subarray(0, cut)]));
      expect(await read()).toEqual(["start:{}", "stdout:one\n", "stderr:ILOG two\n"]);
      expect(await files.exit(path, 0)).toBeUndefined();
    }
    writeFileSync(path, Buffer.concat([...whole, last]));
    expect(await files.exit(path, 0)).toEqual({ code: 3 });
  });

  it("gives back any records in order", async () => {
    const kind = fc.constantFrom<RecordKind>("stdout", "stderr");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(kind, fc.uint8Array({ maxLength: 3000 })), { maxLength: 300 }), async (records) => {
        writeFileSync(path, Buffer.concat(records.map(([name, bytes]) => encode(name, Buffer.from(bytes)))));
        const found: string[] = [];
        for await (const { kind: name, payload } of files.read(path)) found.push(`${name}:${payload.toString("hex")}`);
        expect(found).toEqual(records.map(([name, bytes]) => `${name}:${Buffer.from(bytes).toString("hex")}`));
      }),
      { numRuns: 40 },
    );
  });

  it("selects the last lines, counting one without line feed", async () => {
    writeFileSync(
      path,
      Buffer.concat([encode("start", "{}"), encode("stdout", "a\nb\n"), encode("stderr", "c\nd"), encode("stdout", "e\nf")]),
    );
    const text = async (tailLines: number) => (await read({ tailLines })).map((line) => line.slice(7)).join("");
    expect(await Promise.all([0, 1, 2, 3, 4, 9].map(text))).toEqual(["", "f", "de\nf", "c\nde\nf", "b\nc\nde\nf", "a\nb\nc\nde\nf"]);
  });

  it("leaves out what is older than asked", async () => {
    writeFileSync(path, Buffer.concat([encode("stdout", "old", 5n), encode("stdout", "new", 7n)]));
    expect(await read({ sinceNs: 6n })).toEqual(["stdout:new"]);
  });

  it("takes nothing but a small object of whole numbers for an exit", async () => {
    for (const bad of ["", "[]", "3", '{"code":-1}', '{"code":1e9}', '{"code":"0"}', "{"]) {
      writeFileSync(path, encode("exit", bad));
      expect(await files.exit(path, 0)).toBeUndefined();
    }
  });

  it("finds nothing in a file that is missing", async () => {
    expect(await read()).toEqual([]);
    expect(await files.exit(path, 0)).toBeUndefined();
  });
});

describe("following", () => {
  it("gives what comes until told that no more will, and misses none of it", async () => {
    writeFileSync(path, "");
    let end = () => {};
    const until = new Promise<void>((resolve) => {
      end = resolve;
    });
    const reading = read({ follow: true, until });
    for (let n = 0; n < 50; n += 1) {
      const record = encode("stdout", `${n}\n`);
      appendFileSync(path, record.subarray(0, 11));
      if (n % 7 === 0) await sleep(3);
      appendFileSync(path, record.subarray(11));
    }
    end();
    expect(await reading).toEqual(Array.from({ length: 50 }, (_, n) => `stdout:${n}\n`));
  });

  it("ends when it is aborted", async () => {
    writeFileSync(path, encode("stdout", "a"));
    const controller = new AbortController();
    const found: string[] = [];
    for await (const { payload } of files.read(path, { follow: true, signal: controller.signal })) {
      found.push(payload.toString());
      // While it waits for more.
      setTimeout(() => controller.abort(), 20);
    }
    expect(found).toEqual(["a"]);
  });
});

describe("preparing", () => {
  it("makes the file, cuts off a torn record and says where the next boot begins", async () => {
    expect(await files.prepare(path)).toBe(0);
    const whole = Buffer.concat([encode("stdout", "one"), encode("exit", '{"code":9}')]);
    writeFileSync(path, Buffer.concat([whole, encode("stdout", "torn").subarray(0, 26)]));
    expect(await files.prepare(path)).toBe(whole.length);
    appendFileSync(path, encode("exit", '{"code":0}'));
    expect(await files.exit(path, whole.length)).toEqual({ code: 0 });
    expect(await files.exit(path, 0)).toEqual({ code: 0 });
  });

  it("does not believe a head that lies beyond the end of the file", async () => {
    const whole = encode("stdout", "one");
    writeFileSync(path, whole);
    writeFileSync(`${path}.head`, "1000000");
    expect(await files.prepare(path)).toBe(whole.length);
    for (let n = 0; n < 300; n += 1) appendFileSync(path, encode("stdout", Buffer.alloc(4072, n)));
    appendFileSync(path, encode("exit", '{"code":7}'));
    expect(await read()).toHaveLength(302);
    expect(await files.exit(path, whole.length)).toEqual({ code: 7 });
  });
});

describe("trimming", () => {
  const megabyte = () => Buffer.concat(Array.from({ length: 256 }, (_, n) => encode("stdout", Buffer.alloc(4072, n))));

  it("gives the oldest blocks back and leaves offsets and the newest records as they are", async () => {
    writeFileSync(path, Buffer.concat(Array.from({ length: 8 }, megabyte)));
    appendFileSync(path, encode("stdout", "last"));
    const size = statSync(path).size;
    const head = await trim(path, 1024 * 1024, new Followers());
    expect(size - head).toBeLessThan(1024 * 1024 + 4096);
    expect(statSync(path).size).toBe(size);
    expect(statSync(path).blocks * 512).toBeLessThan(1.2 * 1024 * 1024);
    const kept = await read();
    expect(kept.at(-1)).toBe("stdout:last");
    const back = await read({ fromOffset: 5 });
    expect([back[0], back.slice(1)]).toEqual([`dropped:{"bytes":${head - 5}}`, kept]);
    expect(await files.prepare(path)).toBe(size);
  });

  it("waits for a slow reader up to its limit", async () => {
    writeFileSync(path, Buffer.concat([megabyte(), megabyte()]));
    const followers = new Followers();
    followers.enter(path).offset = 4096;
    expect(await trim(path, 1.2 * 1024 * 1024, followers)).toBe(4096);
    expect(await trim(path, 512 * 1024, followers)).toBeGreaterThan(1024 * 1024);
  });

  it("happens by itself while the file grows", async () => {
    writeFileSync(path, "");
    const keeping = files.keep(path, 1024 * 1024);
    for (let n = 0; n < 4; n += 1) appendFileSync(path, megabyte());
    await expect.poll(() => statSync(path).blocks * 512).toBeLessThan(1.5 * 1024 * 1024);
    keeping.stop();
    expect(Number(readFileSync(`${path}.head`, "utf8"))).toBeGreaterThan(0);
  });

  it("survives a file that was cut short meanwhile", async () => {
    writeFileSync(path, Buffer.concat([megabyte(), megabyte()]));
    await trim(path, 1024 * 512, new Followers());
    truncateSync(path, 100);
    expect(await read()).toEqual([]);
  });
});
