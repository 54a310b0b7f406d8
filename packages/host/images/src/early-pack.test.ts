import { chmod, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { MIB } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  entry,
  file,
  folder,
  hardLink,
  leftovers,
  seed,
  streamOf,
  symlink,
  tar,
  testStore,
  unsquashCat,
  unsquashList,
} from "./fixtures.ts";
import { createImageStore, type LocalImageStore } from "./image-store.ts";
import { type Packer, squashfsPacker } from "./packer.ts";

const early = { limits: { earlyBytes: 1 } };
const late = { limits: { earlyBytes: Number.MAX_SAFE_INTEGER } };

interface Watched extends Packer {
  /** names of the folders packed in, in order */
  readonly folders: string[];
}

function watchedPacker(): Watched {
  const real = squashfsPacker();
  const folders: string[] = [];
  return {
    folders,
    format: real.format,
    pack: (request) => {
      folders.push(request.folder.slice(request.folder.lastIndexOf("/") + 1));
      return real.pack(request);
    },
  };
}

async function listed(store: LocalImageStore, bytes: Buffer): Promise<readonly string[]> {
  const { digest } = await store.importTar(streamOf(bytes, 700), { ref: "t" });
  const lines = await unsquashList((await store.resolve(digest)).rootfsPath);
  await store.remove(digest, { inUse: () => undefined });
  return lines;
}

const ordinary = tar(
  folder("./", { mode: 0o711, uid: 7, gid: 7 }),
  folder("d", { mode: 0o1777 }),
  file("d/a", Buffer.alloc(300_000, "0123456789")),
  hardLink("d/same", "d/a"),
  hardLink("d/again", "d/same"),
  symlink("l", "d"),
  entry({ name: "dev", type: "character", major: 1, minor: 3 }),
  file("implied/folders/x", "x", { mtime: 1_500_000_000 }),
  file(`${"g".repeat(90)}/${"h".repeat(90)}`, "long names"),
  file("big-ids", "", { uid: 3_000_000_000, xattrs: new Map([["user.a", "b"]]) }),
);

describe("packing while a tar comes in", () => {
  it.each([
    ["plain", ordinary],
    ["gzip", gzipSync(ordinary)],
  ])("gives the same rootfs, %s", async (_, bytes) => {
    const packer = watchedPacker();
    await using quick = await testStore({ ...early, packer });
    await using slow = await testStore(late);
    const paths: string[] = [];
    for (const { store } of [quick, slow]) {
      await store.importTar(streamOf(bytes, 700), { ref: "t" });
      paths.push((await store.resolve("t")).rootfsPath);
    }
    const [first = "", second = ""] = paths;
    expect(packer.folders).toEqual(["packed-early"]);
    expect((await readFile(first)).equals(await readFile(second))).toBe(true);
    expect(await unsquashCat(first, "d/again")).toHaveLength(300_000);
  });

  it.each([
    ["a name that comes twice", [file("a", "1"), file("a", "2")]],
    ["a folder named after its content", [file("d/x"), folder("d", { mode: 0o700 })]],
    ["a name through a link", [folder("t"), symlink("l", "t"), file("l/x")]],
    ["a hard link through a link", [file("t/x"), symlink("l", "t"), hardLink("h", "l/x")]],
    ["a whiteout", [file("a"), file(".wh.a")]],
  ])("gives up at %s, and packs what the tree says", async (_, entries) => {
    const packer = watchedPacker();
    await using quick = await testStore({ ...early, packer });
    await using slow = await testStore(late);
    const bytes = tar(...entries);
    expect(await listed(quick.store, bytes)).toEqual(await listed(slow.store, bytes));
    expect(packer.folders.at(-1)).toBe("packed");
    expect(await leftovers(quick.folder)).toEqual([]);
  });

  it(`gives what packing afterwards gives, whatever the tar (SEED=${seed})`, async () => {
    await using quick = await testStore(early);
    await using slow = await testStore(late);
    const name = fc.constantFrom("a", "b", "a/b", "a/b/c", "b/c", "l/x", "./a");
    const one = fc.oneof(
      fc.tuple(name, fc.nat(70_000)).map(([path, size]) => file(path, Buffer.alloc(size, path))),
      name.map((path) => folder(path)),
      name.map((path) => symlink(path, "b")),
      fc.tuple(name, name).map(([path, target]) => hardLink(path, target)),
    );
    const outcome = async (store: LocalImageStore, bytes: Buffer): Promise<unknown> =>
      await listed(store, bytes).catch((error: unknown) => String(error));
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 8 }), async (entries) => {
        const bytes = tar(...entries);
        expect(await outcome(quick.store, bytes)).toEqual(await outcome(slow.store, bytes));
      }),
      { seed, numRuns: 40 },
    );
    expect(await leftovers(quick.folder)).toEqual([]);
  }, 120_000);

  it("starts no packer for what is small, and one at a time", async () => {
    const packer = watchedPacker();
    await using test = await testStore({ packer });
    const large = (content: string): Readable => streamOf(tar(file("a", Buffer.alloc(6 * MIB, content))));
    await test.store.importTar(streamOf(ordinary), { ref: "small" });
    expect(packer.folders).toEqual(["packed"]);
    await Promise.all(["x", "y", "z"].map((content) => test.store.importTar(large(content), { ref: content })));
    expect(packer.folders.filter((name) => name === "packed-early")).toHaveLength(1);
    await test.store.importTar(large("w"), { ref: "w" });
    expect(packer.folders.at(-1)).toBe("packed-early");
  });

  it.each([
    ["dies", "head -c 100 > /dev/null; kill -SEGV $$", "BAD_IMAGE"],
    ["ends before its tar", "head -c 100 > /dev/null; head -c 4096 /dev/zero > rootfs.squashfs", "BAD_IMAGE"],
    ["finds the disk full", "head -c 100 > /dev/null; echo 'No space left on device' >&2; exit 1", "DISK_FULL"],
  ])("fails when the packer %s", async (_, script, code) => {
    await using test = await testStore();
    const base = dirname(test.folder);
    await chmod(base, 0o777);
    const program = join(base, "packer");
    await writeFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const store = await createImageStore({ folder: test.folder, packer: squashfsPacker({ mksquashfs: program }), ...early });
    const bytes = tar(file("a", Buffer.alloc(8 * MIB, "x")));
    await expect(store.importTar(streamOf(bytes), { ref: "a" })).rejects.toMatchObject({ code });
    expect(await leftovers(test.folder)).toEqual([]);
  });

  it("leaves nothing when the archive is cut off", async () => {
    await using test = await testStore(early);
    const cut = streamOf(ordinary.subarray(0, 200_000));
    await expect(test.store.importTar(cut, { ref: "a" })).rejects.toMatchObject({ code: "BAD_IMAGE" });
    expect(await leftovers(test.folder)).toEqual([]);
  });
});
