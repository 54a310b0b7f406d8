import { gzipSync } from "node:zlib";
import type { ErrorCode } from "@isthmus/contract";
import { descriptorOf, file, hardLink, type OciImage, ociArchive, ociImage, sha256, symlink, tar } from "./fixtures.ts";
import { hostPlatform } from "./planned-image.ts";

/** An OCI or docker archive that lies: it is refused with `code`, or gives images with exactly `tags`. */
export interface HostileArchive {
  readonly name: string;
  readonly bytes: () => Buffer;
  readonly code?: ErrorCode;
  readonly tags?: readonly string[];
}

const refused = (name: string, bytes: () => Buffer, code: ErrorCode = "BAD_IMAGE"): HostileArchive => ({ name, bytes, code });
const safe = (name: string, tags: readonly string[], bytes: () => Buffer): HostileArchive => ({ name, bytes, tags });

const layer = tar(file("a", "content"));
const named = { "org.opencontainers.image.ref.name": "app:v1" };
const image = (): OciImage => ociImage({ layers: [{ blob: layer }], annotations: named });
const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** The archive of an ordinary image, with one thing changed. */
function bent(change: (image: OciImage, blobs: Map<string, Buffer>) => readonly unknown[] | undefined): Buffer {
  const one = image();
  const manifests = change(one, one.blobs);
  return ociArchive(manifests ?? [one.descriptor], one.blobs);
}

/** The image's manifest written anew with changes, described rightly. */
function rewritten(change: (manifest: Record<string, unknown>) => void, mediaType = MANIFEST): Buffer {
  return bent((one, blobs) => {
    const manifest: Record<string, unknown> = structuredClone({ schemaVersion: 2, ...one.manifest });
    change(manifest);
    const bytes = Buffer.from(JSON.stringify(manifest));
    blobs.set(sha256(bytes), bytes);
    return [descriptorOf(bytes, mediaType)];
  });
}

function layerDigest(one: OciImage): string {
  return one.manifest.layers[0]?.digest ?? "";
}

/** An index that holds `inner`, as a blob and its descriptor. */
function nested(inner: unknown, blobs: Map<string, Buffer>): unknown {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [inner] }));
  blobs.set(sha256(bytes), bytes);
  return descriptorOf(bytes, INDEX);
}

function dockerArchive(change: { manifest?: unknown; config?: string; layer?: Buffer; extra?: readonly Buffer[] } = {}): Buffer {
  const { architecture } = hostPlatform();
  const config = change.config ?? JSON.stringify({ architecture, os: "linux", rootfs: { type: "layers", diff_ids: [sha256(layer)] } });
  const manifest = change.manifest ?? [{ Config: "config.json", RepoTags: ["app:v1"], Layers: ["l/layer.tar"] }];
  return tar(
    file("manifest.json", JSON.stringify(manifest)),
    file("config.json", config),
    file("l/layer.tar", change.layer ?? layer),
    ...(change.extra ?? []),
  );
}

/** The archive of an ordinary image that lacks one blob. */
function without(digest: (one: OciImage) => string): Buffer {
  return bent((one, blobs) => {
    blobs.delete(digest(one));
    return undefined;
  });
}

const digests: readonly HostileArchive[] = [
  safe("ordinary archive", ["app:v1"], () => bent(() => undefined)),
  refused(
    "layer with other content",
    () =>
      bent((one, blobs) => {
        blobs.set(layerDigest(one), Buffer.from(layer).fill("y", 512, 519));
        return undefined;
      }),
    "IMAGE_DIGEST_MISMATCH",
  ),
  refused("layer of another size", () =>
    bent((one, blobs) => {
      blobs.set(layerDigest(one), layer.subarray(0, 1024));
      return undefined;
    }),
  ),
  refused(
    "manifest with other content",
    () =>
      bent((one, blobs) => {
        blobs.set(one.descriptor.digest, Buffer.alloc(one.descriptor.size, " "));
        return undefined;
      }),
    "IMAGE_DIGEST_MISMATCH",
  ),
  refused(
    "config with other content",
    () =>
      bent((one, blobs) => {
        blobs.set(one.manifest.config.digest, Buffer.alloc(one.manifest.config.size, " "));
        return undefined;
      }),
    "IMAGE_DIGEST_MISMATCH",
  ),
  refused("manifest that is missing", () => without((one) => one.descriptor.digest)),
  refused("layer that is missing", () => without((one) => layerDigest(one))),
  refused("config that is missing", () => without((one) => one.manifest.config.digest)),
  refused("digest that is a path", () => bent((one) => [{ ...one.descriptor, digest: "sha256:../../outside/victim" }])),
  refused("digest of an unknown kind", () => bent((one) => [{ ...one.descriptor, digest: `md5:${"0".repeat(32)}` }])),
  refused("digest in upper case", () => bent((one) => [{ ...one.descriptor, digest: one.descriptor.digest.toUpperCase() }])),
  refused("digest that is no text", () => bent((one) => [{ ...one.descriptor, digest: [one.descriptor.digest] }])),
  refused("negative size", () => bent((one) => [{ ...one.descriptor, size: -1 }])),
  refused("size that is wrong by one", () => bent((one) => [{ ...one.descriptor, size: one.descriptor.size + 1 }])),
  refused("size that is no number", () => bent((one) => [{ ...one.descriptor, size: "12" }])),
  refused("uncompressed layer that the config does not know", () => {
    const other = ociImage({ layers: [{ blob: gzipSync(layer), plain: tar(file("b")) }], annotations: named });
    return ociArchive([other.descriptor], other.blobs);
  }),
  refused("fewer layers than the config names", () =>
    rewritten((manifest) => {
      manifest.layers = [];
    }),
  ),
];

const documents: readonly HostileArchive[] = [
  refused("index described as a manifest", () => bent((one, blobs) => [{ ...Object(nested(one.descriptor, blobs)), mediaType: MANIFEST }])),
  refused("manifest described as an index", () => bent((one) => [{ ...one.descriptor, mediaType: INDEX }])),
  refused("manifest that is an index too", () =>
    rewritten((manifest) => {
      manifest.manifests = [];
    }),
  ),
  refused("layer that is no tar by its media type", () => {
    const odd = ociImage({ layers: [{ blob: layer, mediaType: "application/vnd.in-toto+json" }] });
    return ociArchive([odd.descriptor], odd.blobs);
  }),
  safe("gzip layer described as plain", ["app:v1"], () => {
    const odd = ociImage({ layers: [{ blob: gzipSync(layer), plain: layer }], annotations: named });
    return ociArchive([odd.descriptor], odd.blobs);
  }),
  refused("indexes nested too deep", () =>
    bent((one, blobs) => {
      let inner: unknown = one.descriptor;
      for (let depth = 0; depth < 10; depth += 1) inner = nested(inner, blobs);
      return [inner];
    }),
  ),
  safe("index in an index", ["app:v1"], () => bent((one, blobs) => [{ ...Object(nested(one.descriptor, blobs)), annotations: named }])),
  refused("index with ten thousand manifests", () => bent((one) => Array.from({ length: 10_000 }, () => one.descriptor))),
  refused("manifest that is no JSON", () =>
    bent((_, blobs) => {
      const bytes = Buffer.from("{".repeat(100_000));
      blobs.set(sha256(bytes), bytes);
      return [descriptorOf(bytes, MANIFEST)];
    }),
  ),
  refused("manifest nested a million times", () =>
    bent((_, blobs) => {
      const bytes = Buffer.from(`${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`);
      blobs.set(sha256(bytes), bytes);
      return [descriptorOf(bytes, MANIFEST)];
    }),
  ),
  refused("manifest of more than 4 MiB", () =>
    bent((_, blobs) => {
      const bytes = Buffer.alloc(5_000_000, " ");
      blobs.set(sha256(bytes), bytes);
      return [descriptorOf(bytes, MANIFEST)];
    }),
  ),
  refused("layers that are no list", () =>
    rewritten((manifest) => {
      manifest.layers = { length: 1 };
    }),
  ),
  refused("no manifest at all", () => ociArchive([], new Map())),
  refused("layout of another version", () =>
    tar(file("oci-layout", '{"imageLayoutVersion":"2.0"}'), file("index.json", '{"manifests":[]}')),
  ),
  refused(
    "image for another platform",
    () => {
      const other = ociImage({ layers: [{ blob: layer }], architecture: "s390x" });
      return ociArchive([other.descriptor], other.blobs);
    },
    "IMAGE_NO_PLATFORM",
  ),
  refused("entrypoint that is a number", () => {
    const odd = ociImage({ layers: [{ blob: layer }], config: { Entrypoint: 7 } });
    return ociArchive([odd.descriptor], odd.blobs);
  }),
  refused("command with a NUL", () => {
    const odd = ociImage({ layers: [{ blob: layer }], config: { Cmd: ["a\0b"] } });
    return ociArchive([odd.descriptor], odd.blobs);
  }),
  safe("names that are no references", [], () =>
    bent((one) => [
      { ...one.descriptor, annotations: { "io.containerd.image.name": "../../x", "org.opencontainers.image.ref.name": "A B" } },
    ]),
  ),
];

const docker: readonly HostileArchive[] = [
  safe("ordinary docker archive", ["app:v1"], () => dockerArchive()),
  refused("docker archive without its config", () =>
    dockerArchive({ manifest: [{ Config: "no.json", RepoTags: [], Layers: ["l/layer.tar"] }] }),
  ),
  refused("docker config outside the archive", () =>
    dockerArchive({ manifest: [{ Config: "../../../etc/passwd", Layers: ["l/layer.tar"] }] }),
  ),
  refused("docker layer outside the archive", () => dockerArchive({ manifest: [{ Config: "config.json", Layers: ["/etc/passwd"] }] })),
  refused("docker layer by a link to the outside", () =>
    dockerArchive({ manifest: [{ Config: "config.json", Layers: ["out"] }], extra: [symlink("out", "../outside/victim")] }),
  ),
  refused("docker layer by a loop of links", () =>
    dockerArchive({ manifest: [{ Config: "config.json", Layers: ["x"] }], extra: [symlink("x", "y"), hardLink("y", "x")] }),
  ),
  safe("docker layer by a link inside", ["app:v1"], () =>
    dockerArchive({
      manifest: [{ Config: "config.json", RepoTags: ["app:v1"], Layers: ["x/layer.tar"] }],
      extra: [symlink("x/layer.tar", "../l/layer.tar")],
    }),
  ),
  refused("docker layer with other content", () => dockerArchive({ layer: tar(file("a", "tampered")) })),
  refused(
    "docker config that is not what its name says",
    () =>
      dockerArchive({
        manifest: [{ Config: `${"0".repeat(64)}.json`, Layers: ["l/layer.tar"] }],
        extra: [file(`${"0".repeat(64)}.json`, "{}")],
      }),
    "IMAGE_DIGEST_MISMATCH",
  ),
  refused("docker manifest without an image", () => dockerArchive({ manifest: [] })),
  refused("docker manifest that is no list", () => dockerArchive({ manifest: { Config: "config.json" } })),
  refused("docker layers that are no texts", () => dockerArchive({ manifest: [{ Config: "config.json", Layers: [{}] }] })),
  refused("docker diff_ids that are no digests", () => dockerArchive({ config: '{"rootfs":{"diff_ids":["sha256:../../x"]}}' })),
  refused("root file system given as an archive", () => layer),
  refused("archive with more entries than allowed", () => tar(...Array.from({ length: 200 }, (_, at) => file(`f${at}`)))),
  refused("archive cut short", () => dockerArchive().subarray(0, 1800)),
];

export const hostileArchives: readonly HostileArchive[] = [...digests, ...documents, ...docker];
