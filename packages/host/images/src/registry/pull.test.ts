import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  file,
  folder,
  isInstalled,
  leftovers,
  ociArchive,
  ociImage,
  sha256,
  tar,
  testStore,
  unsquashCat,
  unsquashNames,
} from "../fixtures.ts";
import { hostPlatform } from "../planned-image.ts";
import { account, type DebianRegistry, debianRegistry } from "./debian-registry.fixture.ts";

const run = promisify(execFile);
const equipped = (await isInstalled("skopeo")) && (await isInstalled("docker-registry"));

let base: string;
let registry: DebianRegistry;
let locked: DebianRegistry;

/** Brings an archive's image to a registry. */
async function push(archive: Buffer, to: string, ...more: readonly string[]): Promise<void> {
  const path = join(base, `${sha256(archive).slice(7, 19)}.tar`);
  await writeFile(path, archive);
  await run("skopeo", ["copy", "--dest-tls-verify=false", "--preserve-digests", "--all", ...more, `oci-archive:${path}`, `docker://${to}`]);
}

async function digestOfRemote(ref: string): Promise<string> {
  const { stdout } = await run("skopeo", ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${ref}`]);
  return stdout.trim();
}

const lower = tar(folder("etc"), file("etc/one", "1"), file("etc/gone", "x"));
const middle = tar(file("etc/two", "2"), file("etc/.wh.gone", ""));
const upper = tar(file("three", "3"));
const layers = [
  { blob: gzipSync(lower), plain: lower, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" },
  { blob: zstdCompressSync(middle), plain: middle, mediaType: "application/vnd.oci.image.layer.v1.tar+zstd" },
  { blob: upper, plain: upper, mediaType: "application/vnd.oci.image.layer.v1.tar" },
];

describe.skipIf(!equipped)("images of Debian's docker-registry", () => {
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "isthmus-pull-"));
    [registry, locked] = await Promise.all([debianRegistry(base), debianRegistry(base, { auth: true })]);
    const image = ociImage({ layers });
    const archive = ociArchive([image.descriptor], image.blobs);
    await push(archive, `${registry.host}/team/app:v1`);
    await push(archive, `${locked.host}/app:v1`, "--dest-creds", `${account.username}:${account.password}`);
  }, 60_000);
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await locked[Symbol.asyncDispose]();
    await rm(base, { recursive: true, force: true });
  });

  it("come by tag and by digest, with gzip, zstd and plain layers, as skopeo names them", async () => {
    await using test = await testStore();
    const ref = `${registry.host}/team/app:v1`;
    const image = await test.store.pull(ref);
    const digest = await digestOfRemote(ref);
    expect(image).toMatchObject({ digest, tags: [ref], repoDigests: [`${registry.host}/team/app@${digest}`] });
    expect(image.layers).toEqual(layers.map(({ blob }) => sha256(blob)));
    const { rootfsPath } = await test.store.resolve(ref);
    expect(await unsquashNames(rootfsPath)).toEqual(["etc", "etc/one", "etc/two", "three"]);
    expect(await unsquashCat(rootfsPath, "etc/two")).toBe("2");
    const again = await test.store.pull(`${registry.host}/team/app@${digest}`);
    expect(again).toMatchObject({ digest, tags: [ref] });
    expect(await leftovers(test.folder)).toHaveLength(3 + 2 + 2);
  });

  it("of several platforms are this host's, and are found by the index's digest", async () => {
    const own = ociImage({ layers });
    const other = ociImage({ layers: [{ blob: tar(file("other")) }], architecture: "riscv64" });
    const platform = (architecture: string) => ({ platform: { os: "linux", architecture } });
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: [
          { ...other.descriptor, ...platform("riscv64") },
          { ...own.descriptor, ...platform(hostPlatform().architecture) },
        ],
      }),
    );
    const blobs = new Map([...other.blobs, ...own.blobs, [sha256(index), index]]);
    const top = { mediaType: "application/vnd.oci.image.index.v1+json", digest: sha256(index), size: index.length };
    await push(ociArchive([top], blobs), `${registry.host}/multi:1`);
    await using test = await testStore();
    const byDigest = `${registry.host}/multi@${sha256(index)}`;
    expect(await digestOfRemote(`${registry.host}/multi:1`)).toBe(sha256(index));
    const image = await test.store.pull(byDigest);
    expect(image).toMatchObject({ digest: own.descriptor.digest, tags: [] });
    expect((await test.store.resolve(byDigest)).digest).toBe(own.descriptor.digest);
    const only = ociImage({ layers, architecture: "riscv64" });
    await push(ociArchive([only.descriptor], only.blobs), `${registry.host}/other:1`);
    await expect(test.store.pull(`${registry.host}/other:1`)).rejects.toMatchObject({
      code: "IMAGE_NO_PLATFORM",
      details: { offered: "linux/riscv64" },
    });
  });

  it("need the account that the registry asks for", async () => {
    await using test = await testStore();
    const ref = `${locked.host}/app:v1`;
    await expect(test.store.pull(ref)).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    const wrong = { username: account.username, password: "wrong" };
    const refused = await test.store.pull(ref, { auth: wrong }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "REGISTRY_DENIED" });
    expect(JSON.stringify(refused)).not.toContain("wrong");
    expect((await test.store.pull(ref, { auth: account })).tags).toEqual([ref]);
    expect(await leftovers(test.folder)).toHaveLength(7);
  });

  it("that are not there are told apart from registries that are not", async () => {
    await using test = await testStore();
    await expect(test.store.pull(`${registry.host}/team/app:v2`)).rejects.toMatchObject({ code: "REGISTRY_NO_IMAGE" });
    await expect(test.store.pull(`${registry.host}/nothing`)).rejects.toMatchObject({ code: "REGISTRY_NO_IMAGE" });
    await expect(test.store.pull("127.0.0.1:1/app")).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    await expect(test.store.pull(`sha256:${"0".repeat(64)}`)).rejects.toMatchObject({ code: "INVALID_IMAGE_REF" });
  });
});
