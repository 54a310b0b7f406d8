import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { chmod, chown, link, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  descriptorOf,
  file,
  folder,
  isInstalled,
  listTree,
  ociArchive,
  ociImage,
  sha256,
  streamOf,
  tar,
  testStore,
  unsquashNames,
} from "./fixtures.ts";
import { hostPlatform } from "./planned-image.ts";

const run = promisify(execFile);

/** umoci sets owners and makes device nodes: root only. */
const oracles = process.getuid?.() === 0 && (await isInstalled("umoci")) && (await isInstalled("skopeo"));

let base: string;
let layout: string;
let expected: readonly string[];

const umoci = async (...args: readonly string[]): Promise<void> => {
  await run("umoci", args);
};

async function change(edit: (root: string) => Promise<void>): Promise<void> {
  const bundle = join(base, "bundle");
  await umoci("unpack", "--image", `${layout}:app`, bundle);
  await edit(join(bundle, "rootfs"));
  await umoci("repack", "--image", `${layout}:app`, bundle);
  await rm(bundle, { recursive: true });
}

/** Three layers with what goes wrong most: replaced types, hidden names, hard links across layers, attributes. */
async function makeLayers(): Promise<void> {
  await umoci("init", "--layout", layout);
  await umoci("new", "--image", `${layout}:app`);
  await change(async (root) => {
    for (const name of ["a/b/c", "gone/deep", "becomes-file", "opaque/old", "lib"]) await mkdir(join(root, name), { recursive: true });
    for (const name of ["a/one", "a/b/two", "gone/deep/x", "becomes-file/y", "becomes-folder", "opaque/old/z", "lib/real"])
      await writeFile(join(root, name), name);
    await link(join(root, "a/one"), join(root, "a/same"));
    await symlink("/lib", join(root, "a/link"));
    await chmod(join(root, "a/b/two"), 0o4751);
    await chown(join(root, "a/b"), 1234, 5678);
    await run("mknod", [join(root, "a/null"), "c", "1", "3"]);
    await run("mkfifo", [join(root, "a/pipe")]);
  });
  await change(async (root) => {
    await rm(join(root, "gone"), { recursive: true });
    await rm(join(root, "becomes-file"), { recursive: true });
    await writeFile(join(root, "becomes-file"), "now a file");
    await rm(join(root, "becomes-folder"));
    await mkdir(join(root, "becomes-folder"));
    await writeFile(join(root, "becomes-folder/inside"), "inside");
    await rm(join(root, "opaque/old"), { recursive: true });
    await writeFile(join(root, "opaque/new"), "new");
    await link(join(root, "a/one"), join(root, "linked-later"));
  });
  await change(async (root) => {
    await rename(join(root, "a/b/two"), join(root, "moved"));
    await writeFile(join(root, "a/one"), "written in the third layer");
    await rm(join(root, "a/link"));
    await mkdir(join(root, "a/link"));
    await chmod(join(root, "lib"), 0o2700);
    await mkdir(join(root, "gone"));
  });
  await umoci(
    "config",
    "--image",
    `${layout}:app`,
    "--config.cmd",
    "/bin/app",
    "--config.env",
    "K=V",
    "--config.user",
    "9:9",
    "--config.exposedports",
    "80/tcp",
  );
}

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "isthmus-oracle-"));
  layout = join(base, "layout");
  if (!oracles) return;
  await makeLayers();
  await umoci("unpack", "--image", `${layout}:app`, join(base, "expected"));
  expected = await listTree(join(base, "expected/rootfs"));
}, 120_000);

afterAll(async () => {
  await rm(base, { recursive: true, force: true });
});

describe.skipIf(!oracles)("archives that other tools made", () => {
  it.each([
    ["oci-archive", "app.oci", ":app:v1", "app:v1"],
    ["docker-archive", "app.docker", ":app:v2", "app:v2"],
  ])("gives the tree that umoci unpacks, from skopeo's %s", async (transport, name, suffix, tag) => {
    const archive = join(base, name);
    await run("skopeo", ["copy", "-q", `oci:${layout}:app`, `${transport}:${archive}${suffix}`]);
    await using test = await testStore();
    const [image] = await test.store.loadArchive(createReadStream(archive));
    expect(image).toMatchObject({ tags: [tag], config: { cmd: ["/bin/app"], user: "9:9", exposedPorts: ["80/tcp"] } });
    expect(image?.config.env).toContain("K=V");
    expect(image?.layers).toHaveLength(3);
    const { rootfsPath } = await test.store.resolve(tag);
    await run("unsquashfs", ["-quiet", "-no-progress", "-d", join(base, `got-${name}`), rootfsPath]);
    expect(await listTree(join(base, `got-${name}`))).toEqual(expected);
  });

  it("takes a layout packed by tar, compressed as a whole, under the name given and its own", async () => {
    const archive = join(base, "layout.tar.gz");
    await run("tar", ["-czf", archive, "-C", layout, "."]);
    await using test = await testStore();
    const [image] = await test.store.loadArchive(createReadStream(archive), { ref: "other:v9" });
    expect(image?.tags).toEqual(["app:latest", "other:v9"]);
  });
});

describe("archives", () => {
  const plain = tar(folder("d"), file("d/x", "x"));

  it("takes layers in every compression and keeps their blobs as given", async () => {
    const layers = [
      { blob: plain },
      { blob: gzipSync(tar(file("y"))), plain: tar(file("y")) },
      { blob: zstdCompressSync(tar(file("z"))), plain: tar(file("z")) },
    ];
    const image = ociImage({ layers });
    await using test = await testStore();
    const [loaded] = await test.store.loadArchive(streamOf(ociArchive([image.descriptor], image.blobs)), { ref: "mixed" });
    expect(await unsquashNames((await test.store.resolve("mixed")).rootfsPath)).toEqual(["d", "d/x", "y", "z"]);
    expect(loaded?.layers).toEqual(layers.map(({ blob }) => sha256(blob)));
    const blobs = await readdir(join(test.folder, "blobs/sha256"));
    for (const { blob } of layers) expect(blobs).toContain(sha256(blob).slice(7));
  });

  it("takes this host's platform of several", async () => {
    const own = ociImage({ layers: [{ blob: plain }] });
    const other = ociImage({ layers: [{ blob: tar(file("other")) }], architecture: "riscv64" });
    const platform = (architecture: string) => ({ platform: { os: "linux", architecture } });
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          { ...other.descriptor, ...platform("riscv64") },
          { ...own.descriptor, ...platform(hostPlatform().architecture) },
          {
            ...descriptorOf(Buffer.from("attestation"), "application/vnd.oci.image.manifest.v1+json"),
            platform: { os: "unknown", architecture: "unknown" },
          },
        ],
      }),
    );
    const blobs = new Map([...other.blobs, ...own.blobs, [sha256(index), index]]);
    const top = {
      ...descriptorOf(index, "application/vnd.oci.image.index.v1+json"),
      annotations: { "io.containerd.image.name": "docker.io/library/multi:1" },
    };
    await using test = await testStore();
    expect((await test.store.loadArchive(streamOf(ociArchive([top], blobs)))).map(({ digest, tags }) => [digest, tags])).toEqual([
      [own.descriptor.digest, ["multi:1"]],
    ]);
  });

  it("takes every image and every tag of an archive", async () => {
    const one = ociImage({ layers: [{ blob: plain }] });
    const two = ociImage({ layers: [{ blob: tar(file("two")) }] });
    const named = (image: typeof one, name: string) => ({
      ...image.descriptor,
      annotations: { "org.opencontainers.image.ref.name": name },
    });
    const archive = ociArchive([named(one, "one:a"), named(two, "two"), named(one, "one:b")], new Map([...one.blobs, ...two.blobs]));
    await using test = await testStore();
    expect((await test.store.loadArchive(streamOf(archive))).map(({ tags }) => tags)).toEqual([["one:a", "one:b"], ["two:latest"]]);
  });

  it("keeps a nameless image by its digest, or under the name given", async () => {
    const image = ociImage({ layers: [{ blob: plain }] });
    const archive = ociArchive([image.descriptor], image.blobs);
    await using test = await testStore();
    expect((await test.store.loadArchive(streamOf(archive)))[0]?.tags).toEqual([]);
    expect((await test.store.resolve(image.descriptor.digest)).tags).toEqual([]);
    expect((await test.store.loadArchive(streamOf(archive), { ref: "named" }))[0]?.tags).toEqual(["named:latest"]);
  });
});
