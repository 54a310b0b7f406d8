import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { IsthmusError } from "@isthmus/contract";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  entry,
  file,
  folder,
  hardLink,
  leftovers,
  patched,
  pax,
  paxRecord,
  seed,
  streamOf,
  symlink,
  tar,
  testStore,
  unsquashNames,
} from "./fixtures.ts";
import { LayerMerge } from "./layer-merge.ts";
import { measure, rootfsTar } from "./rootfs-tar.ts";
import type { TarEntry } from "./tar-header.ts";
import { TarReader } from "./tar-reader.ts";

const RUNS = Number(process.env.N ?? (process.env.SOAK === "1" ? 20_000 : 2_000));

const base = tar(
  folder("./"),
  folder("d"),
  file("d/x", "content of x"),
  hardLink("d/same", "d/x"),
  symlink("l", "d"),
  file("l/through", "y"),
  pax(paxRecord("path", `${"long/".repeat(40)}name`) + paxRecord("SCHILY.xattr.user.a", "b") + paxRecord("mtime", "5.5")),
  file("short", "z"),
  entry({ name: "dev", type: "character", major: 1, minor: 3 }),
  file("d/.wh.gone", ""),
  file(`${"g".repeat(90)}/${"h".repeat(90)}`, "long names"),
);

/** Bytes of a header that mean something, with values that mean harm. */
const fields: readonly (readonly [number, readonly string[]])[] = [
  [0, ["../x\0", "/x\0", "\0", "d/../../x\0", "d\0", "l/x\0", "./\0", ".wh..wh..opq\0", "d/.wh.x\0"]],
  [100, ["0007777", "\xff\xff\xff\xff\xff\xff\xff\xff"]],
  [108, ["7777777", "\x80\0\0\0\xff\xff\xff\xff"]],
  [124, ["77777777777", "00000000000", "00000001000", "\x80\0\0\0\0\0\0\0\xff\xff\xff\xff"]],
  [136, ["77777777777", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]],
  [156, ["0", "1", "2", "3", "4", "5", "6", "7", "x", "g", "L", "K", "S", "V", "\0", "Z"]],
  [157, ["../../x\0", "/etc/passwd\0", "d\0", "l\0", "\0", "d/x\0"]],
  [345, ["../..\0", "/\0", "l\0"]],
];

const blocks = base.length / 512;
const mutation = fc.oneof(
  fc.record({ kind: fc.constant("byte" as const), at: fc.nat(base.length - 1), value: fc.nat(255) }),
  fc.record({ kind: fc.constant("field" as const), at: fc.nat(blocks - 1), field: fc.nat(fields.length - 1), value: fc.nat(20) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(base.length - 1) }),
  fc.record({ kind: fc.constant("swap" as const), at: fc.nat(blocks - 1), other: fc.nat(blocks - 1) }),
);

function mutate(mutations: readonly (typeof mutation extends fc.Arbitrary<infer T> ? T : never)[]): Buffer {
  let bytes: Buffer = Buffer.from(base);
  for (const change of mutations) {
    const start = change.at * 512;
    if (change.kind === "byte") {
      if (change.at >= bytes.length) continue;
      bytes[change.at] = change.value;
      // Else nearly every mutation would end at the checksum.
      const block = Math.floor(change.at / 512) * 512;
      if (bytes.toString("latin1", block + 257, block + 262) === "ustar")
        patched(bytes.subarray(block, block + 512), {}).copy(bytes, block);
    } else if (change.kind === "cut") bytes = bytes.subarray(0, change.at);
    else if (change.kind === "field") {
      const [offset, values] = fields[change.field] ?? [0, []];
      if (start + 512 <= bytes.length)
        patched(bytes.subarray(start, start + 512), { [offset]: values[change.value % values.length] ?? "" }).copy(bytes, start);
    } else if (Math.max(change.at, change.other) * 512 + 512 <= bytes.length) {
      const copy = Buffer.from(bytes.subarray(start, start + 512));
      bytes.copy(bytes, start, change.other * 512, change.other * 512 + 512);
      copy.copy(bytes, change.other * 512);
    }
  }
  return bytes;
}

let folderPath: string;
beforeAll(async () => {
  folderPath = await mkdtemp(join(tmpdir(), "isthmus-mutated-"));
});
afterAll(async () => {
  await rm(folderPath, { recursive: true, force: true });
});

function readAll(bytes: Buffer, onEntry: (entry: TarEntry) => void): void {
  const reader = new TarReader(onEntry);
  reader.push(bytes);
  reader.end();
}

/** The clean tar of a mutated one; undefined when it was refused as it should be. */
async function cleaned(bytes: Buffer): Promise<Buffer | undefined> {
  const merge = new LayerMerge(1000);
  merge.begin(0);
  try {
    readAll(bytes, (one) => merge.apply(one));
    measure(merge.tree);
  } catch (error) {
    if (error instanceof IsthmusError && error.code === "BAD_IMAGE") return undefined;
    throw error;
  }
  const path = join(folderPath, "layer");
  await writeFile(path, bytes);
  const pieces: Buffer[] = [];
  for await (const piece of rootfsTar(merge.tree, [path], () => undefined)) pieces.push(piece);
  return Buffer.concat(pieces);
}

function expectClean(bytes: Buffer): void {
  const seen = new Set<string>();
  readAll(bytes, ({ name, type, target }) => {
    const parts = name.replace(/\/$/, "").split("/");
    expect(parts.every((part) => part !== "" && part !== "." && part !== ".." && part.length <= 255)).toBe(true);
    expect(seen.has(parts.join("/"))).toBe(false);
    if (parts.length > 1) expect(seen.has(parts.slice(0, -1).join("/"))).toBe(true);
    if (type === "link") expect(seen.has(target)).toBe(true);
    seen.add(parts.join("/"));
  });
}

describe(`mutated tars (SEED=${seed})`, () => {
  it(`are refused or become a clean tar, ${RUNS} of them`, async () => {
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        const clean = await cleaned(mutate(mutations));
        if (clean === undefined) return;
        kept += 1;
        expectClean(clean);
      }),
      { seed, numRuns: RUNS },
    );
    expect(kept).toBeGreaterThan(RUNS / 20);
  }, 120_000);

  it("never break the packer or leave anything behind", async () => {
    await using test = await testStore();
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), fc.boolean(), async (mutations, compress) => {
        const bytes = mutate(mutations);
        try {
          const { digest } = await test.store.importTar(streamOf(compress ? gzipSync(bytes) : bytes), { ref: "m" });
          await unsquashNames((await test.store.resolve(digest)).rootfsPath);
          await test.store.remove(digest, { inUse: () => undefined });
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_IMAGE" });
        }
        expect(await leftovers(test.folder)).toEqual([]);
      }),
      { seed, numRuns: 60 },
    );
  }, 120_000);
});

describe("many files", () => {
  it("packs thousands of empty ones in bounded memory", async () => {
    const COUNT = process.env.SOAK === "1" ? 100_000 : 30_000;
    await using test = await testStore();
    const before = process.memoryUsage().rss;
    const entries = Array.from({ length: COUNT }, (_, at) => file(`d${at % 100}/f${at}`, ""));
    await test.store.importTar(streamOf(gzipSync(tar(...entries), { level: 1 })), { ref: "many" });
    expect((await unsquashNames((await test.store.resolve("many")).rootfsPath)).length).toBe(COUNT + 100);
    expect(process.memoryUsage().rss - before).toBeLessThan(700 * 1024 * 1024);
  }, 120_000);
});
