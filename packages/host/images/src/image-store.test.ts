import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Image, Progress } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { busyboxRootfs, ensureBuiltIn } from "./busybox.ts";
import { imageLimits } from "./config.ts";
import { file, folder, leftovers, ociArchive, ociImage, streamOf, tar, testStore, unsquashCat, unsquashNames } from "./fixtures.ts";
import { createImageStore } from "./image-store.ts";
import { type Packer, squashfsPacker } from "./packer.ts";

const free = { inUse: () => undefined };
const small = tar(folder("etc"), file("etc/motd", "hello"));

function countingPacker(): Packer & { packs: number } {
  const real = squashfsPacker();
  const counting = {
    packs: 0,
    format: real.format,
    pack: (request: Parameters<Packer["pack"]>[0]) => {
      counting.packs += 1;
      return real.pack(request);
    },
  };
  return counting;
}

describe("image store", () => {
  it.each([
    ["plain", small],
    ["gzip", gzipSync(small)],
    ["zstd", zstdCompressSync(small)],
    ["gzip in two members", Buffer.concat([gzipSync(small.subarray(0, 700)), gzipSync(small.subarray(700))])],
  ])("imports a %s tar with its config", async (_, bytes) => {
    await using test = await testStore();
    const image = await test.store.importTar(streamOf(bytes, 100), {
      ref: "app:v1",
      command: ["a b", "c"],
      entrypoint: ["/bin/sh"],
      env: ["A=1"],
      workdir: "/etc",
      user: "7:8",
    });
    expect(image).toMatchObject({ tags: ["app:v1"], os: "linux", sizeBytes: 5, rootfsFormat: "squashfs", builtIn: false });
    expect(image.config).toMatchObject({ cmd: ["a b", "c"], entrypoint: ["/bin/sh"], env: ["A=1"], workdir: "/etc", user: "7:8" });
    const { rootfsPath } = await test.store.resolve("app:v1");
    expect(await unsquashCat(rootfsPath, "etc/motd")).toBe("hello");
  });

  it("finds images by name, digest and beginning of a digest", async () => {
    await using test = await testStore();
    const { digest } = await test.store.importTar(streamOf(small), { ref: "app" });
    for (const ref of ["app", "app:latest", "docker.io/library/app", digest, digest.slice(0, 13), digest.slice(7, 13), `x@${digest}`])
      expect((await test.store.resolve(ref)).digest).toBe(digest);
    await expect(test.store.resolve("app:v2")).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    await expect(test.store.resolve(digest.slice(7, 12))).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    await expect(test.store.resolve("sha256:abcde")).rejects.toMatchObject({ code: "INVALID_IMAGE_REF" });
    await expect(test.store.resolve("../x")).rejects.toMatchObject({ code: "INVALID_IMAGE_REF" });
  });

  it("moves a tag from image to image and keeps the one it left", async () => {
    await using test = await testStore();
    const first = await test.store.importTar(streamOf(small), { ref: "app" });
    const second = await test.store.importTar(streamOf(tar(file("b"))), { ref: "app" });
    expect((await test.store.resolve("app")).digest).toBe(second.digest);
    expect((await test.store.resolve(first.digest)).tags).toEqual([]);
    await test.store.tag(first.digest, "old:one");
    expect((await test.store.resolve("old:one")).digest).toBe(first.digest);
  });

  it("removes tags one by one and the image with its last", async () => {
    await using test = await testStore();
    const { digest } = await test.store.importTar(streamOf(small), { ref: "a" });
    await test.store.tag("a", "b");
    const asked: string[] = [];
    const inUse = (held: string): string | undefined => {
      asked.push(held);
      return "web-1";
    };
    expect(await test.store.remove("a", { inUse })).toEqual({ untagged: ["a:latest"], deleted: [] });
    expect(asked).toEqual([]);
    await expect(test.store.remove("b", { inUse })).rejects.toMatchObject({ code: "IMAGE_IN_USE", details: { holder: "web-1" } });
    expect((await test.store.resolve("b")).digest).toBe(digest);
    expect(await test.store.remove("b", { inUse, force: true })).toEqual({ untagged: ["b:latest"], deleted: [digest] });
    expect(await leftovers(test.folder)).toEqual([]);
    await expect(test.store.remove("b", free)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });

  it("keeps blobs that another image needs", async () => {
    await using test = await testStore();
    await test.store.importTar(streamOf(small), { ref: "a", command: ["x"] });
    const other = await test.store.importTar(streamOf(small), { ref: "b", command: ["y"] });
    await test.store.remove("a", free);
    expect(await readdir(join(test.folder, "blobs/sha256"))).toContain(other.layers[0]?.slice(7));
    await test.store.remove("b", free);
    expect(await leftovers(test.folder)).toEqual([]);
  });

  it("packs the same content once, however many import it at once", async () => {
    const packer = countingPacker();
    await using test = await testStore({ packer });
    const refs = ["a", "b", "c", "d"];
    const images = await Promise.all(refs.map((ref) => test.store.importTar(streamOf(small), { ref })));
    expect(new Set(images.map(({ digest }) => digest)).size).toBe(1);
    expect(packer.packs).toBe(1);
    expect((await test.store.list())[0]?.tags).toEqual(refs.map((ref) => `${ref}:latest`));
  });

  it("goes on with an import whose like was cancelled elsewhere", async () => {
    await using test = await testStore();
    const archive = ociImage({ layers: [{ blob: tar(file("a", Buffer.alloc(3_000_000, "x"))) }] });
    const bytes = ociArchive([archive.descriptor], archive.blobs);
    const controller = new AbortController();
    let second: Promise<readonly Image[]> | undefined;
    const first = test.store.loadArchive(streamOf(bytes), {
      ref: "a",
      signal: controller.signal,
      onProgress: ({ step }) => {
        // Begun only now, so that the first is the one whose work the second joins.
        if (step === "unpack") second ??= test.store.loadArchive(streamOf(bytes), { ref: "b" });
        if (step === "pack") controller.abort();
      },
    });
    await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
    expect((await second)?.[0]?.tags).toEqual(["b:latest"]);
  });

  it.each([
    ["receive", imageLimits.earlyBytes],
    ["unpack", imageLimits.earlyBytes],
    ["pack", imageLimits.earlyBytes],
    ["receive", 1],
    ["unpack", 1],
  ])("leaves nothing when cancelled in the step %s, packing after %i bytes", async (at, earlyBytes) => {
    await using test = await testStore({ limits: { earlyBytes } });
    const controller = new AbortController();
    const bytes = gzipSync(tar(file("a", Buffer.alloc(2_000_000, "x"))), { level: 1 });
    const result = test.store.importTar(streamOf(bytes), {
      ref: "a",
      signal: controller.signal,
      onProgress: ({ step }) => step === at && controller.abort(),
    });
    await expect(result).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await leftovers(test.folder)).toEqual([]);
    expect(await test.store.list()).toEqual([]);
  });

  it("leaves nothing when the archive's stream breaks off", async () => {
    await using test = await testStore();
    const broken = new Readable({ read: () => undefined });
    broken.push(small.subarray(0, 1000));
    setImmediate(() => broken.destroy());
    await expect(test.store.importTar(broken, { ref: "a" })).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await leftovers(test.folder)).toEqual([]);
  });

  it("tells how far it is", async () => {
    await using test = await testStore();
    const steps: Progress[] = [];
    await test.store.importTar(streamOf(gzipSync(small)), { ref: "a", onProgress: (progress) => steps.push(progress) });
    expect([...new Set(steps.map(({ step }) => step))]).toEqual(["receive", "unpack", "pack"]);
    expect(steps.at(-1)).toEqual({ step: "pack", doneBytes: 5, totalBytes: 5, percent: 100 });
  });

  it("keeps images, tags and config over a restart, and sweeps what nobody owns", async () => {
    await using test = await testStore();
    const image = await test.store.importTar(streamOf(small), { ref: "a", command: ["x"] });
    const before = await leftovers(test.folder);
    for (const name of ["tmp/import-x", "rootfs/half.squashfs", "images/half.json", "blobs/sha256/half", ".new-half"])
      await writeFile(join(test.folder, name), "half");
    const again = await createImageStore({ folder: test.folder });
    expect(await again.list()).toEqual([image]);
    expect(await leftovers(test.folder)).toEqual(before);
  });

  it("sweeps nothing when its index is damaged", async () => {
    await using test = await testStore();
    await test.store.importTar(streamOf(small), { ref: "a" });
    const before = await leftovers(test.folder);
    for (const damage of ["", "{", "[]", '{"version":9,"images":{}}', '{"version":1,"images":{"x":{}}}']) {
      await writeFile(join(test.folder, "index.json"), damage);
      await expect(createImageStore({ folder: test.folder })).rejects.toMatchObject({ code: "STORE_FAILED" });
    }
    expect(await leftovers(test.folder)).toEqual(before);
  });

  it("notices a lost rootfs and makes it anew on the next import", async () => {
    await using test = await testStore();
    await test.store.importTar(streamOf(small), { ref: "a" });
    const { rootfsPath } = await test.store.resolve("a");
    await rm(rootfsPath);
    await expect(test.store.resolve("a")).rejects.toMatchObject({ code: "BAD_IMAGE" });
    await test.store.importTar(streamOf(small), { ref: "a" });
    expect(await unsquashCat((await test.store.resolve("a")).rootfsPath, "etc/motd")).toBe("hello");
  });
});

describe("built-in busybox", () => {
  it("is imported once, and anew when the program changes", async () => {
    const packer = countingPacker();
    await using test = await testStore({ packer });
    const first = await ensureBuiltIn(test.store);
    expect(first).toMatchObject({ tags: ["busybox:latest"], builtIn: true, config: { cmd: ["sh"] } });
    expect((await ensureBuiltIn(test.store)).digest).toBe(first.digest);
    expect(packer.packs).toBe(1);
    await test.store.importTar(busyboxRootfs(), { ref: "busybox", builtIn: true, labels: { "org.isthmus.busybox": "older" } });
    expect((await ensureBuiltIn(test.store)).digest).toBe(first.digest);
    const names = await unsquashNames((await test.store.resolve("busybox")).rootfsPath);
    for (const name of ["bin/sh", "bin/busybox", "etc/passwd", "tmp", "proc", "root", "var/tmp", "sbin/ifconfig"])
      expect(names).toContain(name);
  });

  it("leaves an image alone that the user named busybox", async () => {
    await using test = await testStore();
    const own = await test.store.importTar(streamOf(small), { ref: "busybox" });
    expect((await ensureBuiltIn(test.store)).digest).toBe(own.digest);
  });

  it("says what to install when there is no busybox", async () => {
    await using test = await testStore();
    await expect(ensureBuiltIn(test.store, "/nowhere/busybox")).rejects.toMatchObject({ code: "ENGINE_MISSING" });
  });
});
