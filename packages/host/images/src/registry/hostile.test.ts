import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { MIB, type Progress } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { file, leftovers, ociImage, sha256, tar, testStore, unsquashNames } from "../fixtures.ts";
import type { ImageStoreOptions } from "../image-store.ts";
import { type FakeRegistry, fakeRegistry, type Served } from "./fake-registry.fixture.ts";

const quick = { backOffMs: 1, backOffMaxMs: 4 };
const large = tar(file("large", randomBytes(3 * MIB)));
const small = tar(file("small"));
const image = ociImage({ layers: [{ blob: large }, { blob: gzipSync(small), plain: small }] });
const [largeDigest = "", smallDigest = ""] = image.manifest.layers.map(({ digest }) => digest);

async function setUp(options: Omit<ImageStoreOptions, "folder"> = {}) {
  const registry = await fakeRegistry();
  const test = await testStore({ registryLimits: quick, ...options });
  registry.add(image, "v1");
  return {
    registry,
    store: test.store,
    folder: test.folder,
    ref: `${registry.host}/app:v1`,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await test[Symbol.asyncDispose]();
    },
  };
}

const isBlob = ({ path }: Served, digest: string): boolean => path.endsWith(`/blobs/${digest}`);
const requestsOf = (registry: FakeRegistry, digest: string): readonly Served[] => registry.seen.filter((one) => isBlob(one, digest));

describe("a registry that does not keep its word", () => {
  const tampered = Buffer.from(large);
  tampered.writeUInt8(tampered.readUInt8(1000) ^ 1, 1000);
  const cases: readonly (readonly [string, (registry: FakeRegistry) => void, string])[] = [
    ["other content of the same size", ({ blobs }) => blobs.set(largeDigest, tampered), "IMAGE_DIGEST_MISMATCH"],
    ["a blob that is longer", ({ blobs }) => blobs.set(largeDigest, Buffer.concat([large, small])), "BAD_IMAGE"],
    ["a blob that is shorter", ({ blobs }) => blobs.set(largeDigest, large.subarray(0, 5000)), "BAD_IMAGE"],
    [
      "a longer blob without its length",
      (registry) => {
        registry.behave = (served, response) => {
          if (!isBlob(served, largeDigest)) return false;
          response.writeHead(200);
          response.end(Buffer.concat([large, Buffer.from("more")]));
          return true;
        };
      },
      "BAD_IMAGE",
    ],
    ["no such blob", ({ blobs }) => blobs.delete(smallDigest), "REGISTRY_NO_IMAGE"],
    ["another config", ({ blobs }) => blobs.set(image.manifest.config.digest, Buffer.from("{}")), "IMAGE_DIGEST_MISMATCH"],
    [
      "a manifest other than its digest",
      (registry) => {
        registry.manifests.set("v1", { bytes: Buffer.from("{}"), mediaType: image.descriptor.mediaType });
        registry.behave = ({ path }, response) => {
          if (!path.endsWith("/manifests/v1")) return false;
          response.writeHead(200, { "docker-content-digest": image.descriptor.digest }).end("{}");
          return true;
        };
      },
      "IMAGE_DIGEST_MISMATCH",
    ],
    [
      "a manifest without end",
      (registry) => {
        registry.manifests.set("v1", { bytes: Buffer.alloc(5 * MIB), mediaType: image.descriptor.mediaType });
      },
      "REGISTRY_FAILED",
    ],
    [
      "a redirect without end",
      (registry) => {
        registry.behave = (served, response) => {
          if (isBlob(served, largeDigest)) response.writeHead(307, { location: served.path }).end();
          return isBlob(served, largeDigest);
        };
      },
      "REGISTRY_FAILED",
    ],
    [
      "a range that was not asked for",
      (registry) => {
        registry.behave = (served, response) => {
          if (!isBlob(served, largeDigest)) return false;
          response.writeHead(206, { "content-range": `bytes 7-9/${large.length}` }).end("abc");
          return true;
        };
      },
      "REGISTRY_FAILED",
    ],
  ];
  it.each(cases)("that gives %s leaves nothing here", async (_name, spoil, code) => {
    await using t = await setUp();
    spoil(t.registry);
    await expect(t.store.pull(t.ref)).rejects.toMatchObject({ code });
    expect(await leftovers(t.folder)).toEqual([]);
  });

  const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  const chart = ociImage({ layers: [{ blob: small, mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip" }] });
  const elsewhere = ociImage({ layers: [{ blob: small, mediaType: foreign }] });
  it.each([
    ["a chart", chart, "media type"],
    ["a foreign layer", elsewhere, "foreign"],
  ])("that gives %s is told why it is refused", async (_name, other, words) => {
    await using t = await setUp();
    t.registry.add(other, "v1");
    await expect(t.store.pull(t.ref)).rejects.toMatchObject({ code: "BAD_IMAGE", message: expect.stringContaining(words) });
    expect(requestsOf(t.registry, sha256(small))).toEqual([]);
  });
});

describe("a connection that is cut", () => {
  it("goes on where it stopped", async () => {
    await using t = await setUp();
    let cuts = 0;
    t.registry.behave = (served, response) => {
      const from = Number(/\d+/.exec(served.range ?? "")?.[0] ?? 0);
      if (!isBlob(served, largeDigest) || cuts === 3) return false;
      cuts += 1;
      response.writeHead(from === 0 ? 200 : 206, {
        "content-length": large.length - from,
        "content-range": `bytes ${from}-${large.length - 1}/*`,
      });
      response.write(large.subarray(from, from + 700_000), () => response.destroy());
      return true;
    };
    const told: Progress[] = [];
    await t.store.pull(t.ref, { onProgress: (progress) => told.push(progress) });
    const starts = requestsOf(t.registry, largeDigest).map(({ range }) => Number(/\d+/.exec(range ?? "")?.[0] ?? 0));
    expect(starts).toHaveLength(4);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(starts[1]).toBeGreaterThan(0);
    expect(told.filter(({ step }) => step === "retry")).toHaveLength(3);
  });

  it("begins anew with a registry that knows no ranges", async () => {
    await using t = await setUp();
    let cut = false;
    t.registry.behave = (served, response) => {
      if (!isBlob(served, largeDigest)) return false;
      response.writeHead(200, { "content-length": large.length });
      if (cut) response.end(large);
      else response.write(large.subarray(0, 700_000), () => response.destroy());
      cut = true;
      return true;
    };
    expect(await t.store.pull(t.ref)).toMatchObject({ digest: image.descriptor.digest });
  });

  it("is given up when nothing comes any more", async () => {
    await using t = await setUp();
    t.registry.behave = (served, response) => {
      if (isBlob(served, largeDigest)) response.destroy();
      return isBlob(served, largeDigest);
    };
    await expect(t.store.pull(t.ref)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(requestsOf(t.registry, largeDigest)).toHaveLength(5);
    expect(await leftovers(t.folder)).toEqual([]);
  });

  it("is tried again after the time that a busy registry names, unless that is too long", async () => {
    await using t = await setUp({ registryLimits: { ...quick, retryAfterMaxMs: 5_000 } });
    let refusals = 0;
    let seconds = "0";
    t.registry.behave = (served, response) => {
      if (!isBlob(served, smallDigest) || refusals === 2) return false;
      refusals += 1;
      response.writeHead(429, { "retry-after": seconds }).end();
      return true;
    };
    await t.store.pull(t.ref);
    expect(refusals).toBe(2);
    await t.store.remove(t.ref, { inUse: () => undefined });
    refusals = 0;
    seconds = "3600";
    await expect(t.store.pull(t.ref)).rejects.toMatchObject({ code: "REGISTRY_BUSY" });
    expect(refusals).toBe(1);
  });
});

describe("pulls", () => {
  it("of one image at the same time are one, and outlive the one who began", async () => {
    await using t = await setUp();
    const go = Promise.withResolvers<void>();
    t.registry.behave = async (served) => {
      if (isBlob(served, largeDigest)) await go.promise;
      return false;
    };
    const leave = new AbortController();
    const seen: Progress[] = [];
    const first = t.store.pull(t.ref, { signal: leave.signal }).catch((error: unknown) => error);
    const others = [1, 2, 3].map((n) => t.store.pull(t.ref, { onProgress: (progress) => n === 3 && seen.push(progress) }));
    while (!t.registry.seen.some((one) => isBlob(one, largeDigest))) await sleep(5);
    leave.abort();
    expect(await first).toMatchObject({ code: "CANCELLED" });
    go.resolve();
    for (const { digest } of await Promise.all(others)) expect(digest).toBe(image.descriptor.digest);
    for (const digest of [largeDigest, smallDigest]) expect(requestsOf(t.registry, digest)).toHaveLength(1);
    expect(seen.map(({ item }) => item)).toContain(largeDigest.slice(7, 19));
  });

  it("that are cancelled leave nothing and can be begun anew", async () => {
    await using t = await setUp();
    let hangs = true;
    t.registry.behave = (served, response) => {
      if (!hangs || !isBlob(served, largeDigest)) return false;
      response.writeHead(200, { "content-length": large.length }).write(large.subarray(0, 100_000));
      return true;
    };
    const stop = new AbortController();
    const pull = t.store.pull(t.ref, { signal: stop.signal }).catch((error: unknown) => error);
    while (!t.registry.seen.some((one) => isBlob(one, largeDigest))) await sleep(5);
    stop.abort();
    expect(await pull).toMatchObject({ code: "CANCELLED" });
    expect(await leftovers(t.folder)).toEqual([]);
    hangs = false;
    expect((await t.store.pull(t.ref)).tags).toEqual([t.ref]);
  });

  it("ask for no layer that another image brought", async () => {
    await using t = await setUp();
    await t.store.pull(t.ref);
    const own = tar(file("own"));
    const second = ociImage({ layers: [{ blob: large }, { blob: own }, { blob: own }] });
    t.registry.add(second, "v2");
    const before = requestsOf(t.registry, largeDigest).length;
    const { digest } = await t.store.pull(`${t.registry.host}/app:v2`);
    expect(requestsOf(t.registry, largeDigest)).toHaveLength(before);
    expect(requestsOf(t.registry, sha256(own))).toHaveLength(1);
    await t.store.remove(t.ref, { inUse: () => undefined });
    expect(await unsquashNames((await t.store.resolve(digest)).rootfsPath)).toEqual(["large", "own"]);
    expect(await readdir(join(t.folder, "blobs/sha256"))).toContain(largeDigest.slice(7));
  });
});

describe("mirrors", () => {
  it("are asked first, without the account, and stood in for by the registry itself", async () => {
    await using t = await setUp();
    await using mirror = await fakeRegistry();
    const mirrors = new Map([[t.registry.host, [`http://${mirror.host}`]]]);
    await using test = await testStore({ registryLimits: quick, registries: { insecure: [], mirrors, proxies: {} } });
    mirror.add(image, "v1");
    mirror.blobs.set(smallDigest, Buffer.from("broken"));
    const auth = { username: "u", password: "p" };
    t.registry.behave = (served, response) => {
      if (served.authorization !== undefined || served.path === "/v2/") return false;
      response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
      return true;
    };
    expect((await test.store.pull(t.ref, { auth })).digest).toBe(image.descriptor.digest);
    expect(mirror.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(requestsOf(t.registry, largeDigest)).toEqual([]);
    expect(requestsOf(t.registry, smallDigest).at(-1)?.authorization).toMatch(/^Basic /);
  });
});

describe("a proxy", () => {
  it("is what registries are asked through, but for those of this host and of NO_PROXY", async () => {
    await using proxy = await fakeRegistry();
    proxy.add(image, "v1");
    await using direct = await fakeRegistry();
    direct.add(image, "v1");
    const url = `http://${proxy.host}`;
    const proxies = { HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: "elsewhere.invalid" };
    const insecure = ["registry.invalid:5000", "elsewhere.invalid:5000"];
    await using test = await testStore({ registryLimits: quick, registries: { insecure, mirrors: new Map(), proxies } });
    expect((await test.store.pull("registry.invalid:5000/app:v1")).digest).toBe(image.descriptor.digest);
    expect(requestsOf(proxy, largeDigest)).toHaveLength(1);
    const asked = proxy.seen.length;
    await test.store.pull(`${direct.host}/app:v1`);
    await expect(test.store.pull("elsewhere.invalid:5000/app:v1")).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(proxy.seen).toHaveLength(asked);
  });
});
