import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { file, folder, isInstalled, leftovers, ociArchive, ociImage, sha256, streamOf, tar, testStore } from "./fixtures.ts";

const run = promisify(execFile);
const hasSkopeo = await isInstalled("skopeo");
const plain = tar(folder("d"), file("d/x"));
const image = ociImage({
  layers: [
    { blob: gzipSync(plain), plain },
    { blob: zstdCompressSync(tar(file("z"))), plain: tar(file("z")) },
  ],
});
const other = ociImage({ layers: [{ blob: gzipSync(plain), plain }] });

let base: string;

async function write(archive: NodeJS.ReadableStream, name: string): Promise<string> {
  const path = join(base, name);
  await pipeline(archive, createWriteStream(path));
  return path;
}

async function loaded() {
  const test = await testStore();
  await test.store.loadArchive(streamOf(ociArchive([image.descriptor], image.blobs)), { ref: "app:v1" });
  await test.store.loadArchive(streamOf(ociArchive([other.descriptor], other.blobs)), { ref: "localhost:5000/other" });
  return test;
}

describe("an archive of images", () => {
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "isthmus-save-"));
  });
  afterAll(async () => {
    await rm(base, { recursive: true, force: true });
  });

  it("gives back the same images under the same names, and the same bytes each time", async () => {
    await using test = await loaded();
    const refs = ["app:v1", "localhost:5000/other:latest", other.descriptor.digest];
    const path = await write(await test.store.save(refs), "both.tar");
    const again = await write(await test.store.save(refs), "again.tar");
    expect(sha256(await readFile(again))).toBe(sha256(await readFile(path)));
    expect((await leftovers(test.folder)).filter((name) => name.startsWith("tmp/"))).toEqual([]);
    await using second = await testStore();
    const images = await second.store.loadArchive(streamOf(await readFile(path)));
    expect(images.map(({ digest, tags }) => [digest, tags])).toEqual([
      [image.descriptor.digest, ["app:v1"]],
      [other.descriptor.digest, ["localhost:5000/other:latest"]],
    ]);
  });

  it.skipIf(!hasSkopeo)("is read by skopeo as an OCI archive and as docker's", async () => {
    await using test = await loaded();
    const path = await write(await test.store.save(["app:v1"]), "one.tar");
    const { stdout } = await run("skopeo", ["inspect", "--format", "{{.Digest}}", `oci-archive:${path}`]);
    expect(stdout.trim()).toBe(image.descriptor.digest);
    const docker = await write(await test.store.save(["localhost:5000/other"]), "docker.tar");
    await run("skopeo", ["copy", `docker-archive:${docker}:localhost:5000/other:latest`, `dir:${join(base, "copied")}`]);
    const config = JSON.parse(await readFile(join(base, "copied/manifest.json"), "utf8")) as { config: { digest: string } };
    expect(config.config.digest).toBe(other.manifest.config.digest);
  });

  it("is whole though its image is removed while it is read, and leaves nothing when it is not read on", async () => {
    await using test = await loaded();
    const archive = await test.store.save(["app:v1"]);
    await test.store.remove("app:v1", { inUse: () => undefined });
    const path = await write(archive, "removed.tar");
    await using second = await testStore();
    expect((await second.store.loadArchive(streamOf(await readFile(path))))[0]?.digest).toBe(image.descriptor.digest);
    const unread = await test.store.save(["localhost:5000/other"]);
    const closed = new Promise((resolve) => unread.once("close", resolve));
    await unread.iterator({ destroyOnReturn: true }).next();
    unread.destroy();
    await closed;
    expect((await leftovers(test.folder)).filter((name) => name.startsWith("tmp/"))).toEqual([]);
    await expect(test.store.save(["app:v1"])).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });
});

describe("a history", () => {
  it("tells each step with its layer, newest first", async () => {
    const layers = [{ blob: plain }, { blob: tar(file("b")) }];
    const config = {
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: layers.map(({ blob }) => sha256(blob)) },
      history: [
        { created: "2026-01-01T00:00:00Z", created_by: "ADD d", comment: "first" },
        { created_by: "ENV a=b", empty_layer: true },
      ],
    };
    const bytes = Buffer.from(JSON.stringify(config));
    const made = ociImage({ layers });
    const manifest = Buffer.from(
      JSON.stringify({
        ...made.manifest,
        schemaVersion: 2,
        config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: sha256(bytes), size: bytes.length },
      }),
    );
    const descriptor = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: sha256(manifest), size: manifest.length };
    const blobs = new Map([...made.blobs, [sha256(bytes), bytes], [sha256(manifest), manifest]]);
    await using test = await testStore();
    await test.store.loadArchive(streamOf(ociArchive([descriptor], blobs)), { ref: "app" });
    expect(await test.store.history("app")).toEqual([
      { createdBy: "", comment: "", layer: sha256(tar(file("b"))), sizeBytes: tar(file("b")).length },
      { createdBy: "ENV a=b", comment: "", sizeBytes: 0 },
      { createdAt: "2026-01-01T00:00:00Z", createdBy: "ADD d", comment: "first", layer: sha256(plain), sizeBytes: plain.length },
    ]);
  });
});

describe("a pruning", () => {
  it("removes what has no name, or all that nobody uses, and tells what that freed", async () => {
    await using test = await loaded();
    await test.store.tag("localhost:5000/other", "app:v1");
    const inUse = (digest: string): string | undefined => (digest === other.descriptor.digest ? "web" : undefined);
    const before = await leftovers(test.folder);
    const pruned = await test.store.prune({ inUse });
    expect(pruned.deleted.map(({ digest }) => digest)).toEqual([image.descriptor.digest]);
    expect(pruned.freedBytes).toBeGreaterThan(4096);
    // The layer that both have stays.
    expect(await leftovers(test.folder)).toHaveLength(before.length - 5);
    expect((await test.store.prune({ all: true, inUse })).deleted).toEqual([]);
    expect((await test.store.prune({ inUse: () => undefined })).deleted).toEqual([]);
    expect((await test.store.prune({ all: true, inUse: () => undefined })).deleted).toHaveLength(1);
    expect(await leftovers(test.folder)).toEqual([]);
  });
});
