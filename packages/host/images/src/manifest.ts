import { createHash } from "node:crypto";
import { badImage } from "./failures.ts";
import { arrayField, field, isObject, type JsonObject, parseObject, stringField } from "./json.ts";
import { isDigest } from "./reference.ts";

/** A content descriptor (image-spec v1.1, descriptor.md). */
export interface Descriptor {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly annotations: JsonObject;
  /** `linux/amd64`; undefined when the descriptor does not say */
  readonly platform: string | undefined;
}

export type Manifest =
  | { readonly kind: "index"; readonly manifests: readonly Descriptor[] }
  | { readonly kind: "manifest"; readonly config: Descriptor; readonly layers: readonly Descriptor[] };

export const mediaTypes = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: {
    none: "application/vnd.oci.image.layer.v1.tar",
    gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
    zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  },
} as const;

/** The compression named here is not believed; that it is a tar layer is. */
const layerType =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?)$/;
const indexType = /(image\.index\.v1|manifest\.list\.v2)\+json$/;
const manifestType = /(image\.manifest\.v1|distribution\.manifest\.v2)\+json$/;

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function platformOf(value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  return `${stringField(value, "os") ?? ""}/${stringField(value, "architecture") ?? ""}`;
}

export function parseDescriptor(value: unknown): Descriptor {
  if (!isObject(value)) throw badImage("a descriptor is no object");
  const digest = field(value, "digest");
  const sizeBytes = field(value, "size");
  if (!isDigest(digest)) throw badImage("a descriptor has no valid sha256 digest");
  if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw badImage("a descriptor has no valid size");
  const annotations = field(value, "annotations");
  return {
    digest,
    sizeBytes,
    mediaType: stringField(value, "mediaType") ?? "",
    annotations: isObject(annotations) ? annotations : {},
    platform: platformOf(field(value, "platform")),
  };
}

/** A manifest or index, told apart by content; a media type that says otherwise is refused. Throws BAD_IMAGE. */
export function parseManifest(bytes: Uint8Array, declaredType: string): Manifest {
  const document = parseObject(bytes, "a manifest");
  const hasManifests = field(document, "manifests") !== undefined;
  const hasLayers = field(document, "layers") !== undefined || field(document, "config") !== undefined;
  if (hasManifests === hasLayers) throw badImage("a manifest is neither an image's nor an index");
  for (const type of [declaredType, stringField(document, "mediaType") ?? ""]) {
    if ((hasManifests && manifestType.test(type)) || (hasLayers && indexType.test(type)))
      throw badImage(`a manifest is not what its media type ${JSON.stringify(type)} says`);
  }
  if (hasManifests) return { kind: "index", manifests: arrayField(document, "manifests", "an index").map(parseDescriptor) };
  const layers = arrayField(document, "layers", "a manifest").map(parseDescriptor);
  for (const { mediaType } of layers)
    if (!layerType.test(mediaType)) throw badImage(`a layer has the unknown media type ${JSON.stringify(mediaType.slice(0, 100))}`);
  return { kind: "manifest", config: parseDescriptor(field(document, "config")), layers };
}

/** A manifest for content that came without one. The same content gives the same bytes. */
export function composeManifest(
  config: Uint8Array,
  layers: readonly { readonly digest: string; readonly sizeBytes: number; readonly mediaType: string }[],
): Buffer {
  const document = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: digestOf(config), size: config.length },
    layers: layers.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
  };
  return Buffer.from(JSON.stringify(document));
}
