import { IsthmusError } from "@isthmus/contract";
import type { ArchiveFile } from "./archive-file.ts";
import { documentLimits, imageLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import { parseImageConfig } from "./image-config.ts";
import { parseObject, stringField } from "./json.ts";
import { type Descriptor, digestOf, type Manifest, parseManifest } from "./manifest.ts";
import { hostPlatform, noPlatform, type PlannedImage, platformOfConfig } from "./planned-image.ts";
import { hexOf, tagOrNothing } from "./reference.ts";

const blobName = (digest: string): string => `blobs/sha256/${hexOf(digest)}`;

/** Bytes of a document, checked against its descriptor. Throws BAD_IMAGE, IMAGE_DIGEST_MISMATCH. */
async function document(archive: ArchiveFile, descriptor: Descriptor): Promise<Buffer> {
  const name = blobName(descriptor.digest);
  checkSize(archive, descriptor);
  const bytes = await archive.document(name);
  const actual = digestOf(bytes);
  if (actual !== descriptor.digest) throw new IsthmusError("IMAGE_DIGEST_MISMATCH", { digest: descriptor.digest, actual });
  return bytes;
}

function checkSize(archive: ArchiveFile, { digest, sizeBytes }: Descriptor): void {
  const { size } = archive.range(blobName(digest));
  if (size !== sizeBytes) throw badImage(`blob ${digest} has ${size} bytes, its descriptor says ${sizeBytes}`);
}

/** Names in annotations: containerd's is a full one; the OCI one may be a bare word, which is a name unless it can only be a tag. */
function tagsOf({ annotations }: Descriptor): readonly string[] {
  const full = tagOrNothing(stringField(annotations, "io.containerd.image.name"));
  const text = stringField(annotations, "org.opencontainers.image.ref.name");
  const bare = text !== undefined && !/[:/]/.test(text);
  const named = bare && (full !== undefined || text === "latest") ? undefined : tagOrNothing(text);
  return [full, named].filter((tag) => tag !== undefined);
}

interface Found {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly manifest: Extract<Manifest, { kind: "manifest" }>;
  readonly tags: readonly string[];
}

/** Walks an OCI layout's indexes to the image manifests that this host can run. */
class LayoutWalk {
  readonly offered: string[] = [];
  readonly #archive: ArchiveFile;
  #descriptors = 0;

  constructor(archive: ArchiveFile) {
    this.#archive = archive;
  }

  async find(descriptors: readonly Descriptor[], above: readonly string[], tags: readonly string[]): Promise<Found[]> {
    const found: Found[] = [];
    for (const descriptor of descriptors) {
      this.#descriptors += 1;
      if (this.#descriptors > documentLimits.descriptors) throw badImage(`it has more than ${documentLimits.descriptors} descriptors`);
      if (descriptor.platform !== undefined && descriptor.platform !== hostPlatform().name) {
        this.offered.push(descriptor.platform);
        continue;
      }
      if (above.includes(descriptor.digest)) throw badImage("an index holds itself");
      const bytes = await document(this.#archive, descriptor);
      const manifest = parseManifest(bytes, descriptor.mediaType);
      const own = [...tags, ...tagsOf(descriptor)];
      if (manifest.kind === "manifest") {
        found.push({ descriptor, bytes, manifest, tags: own });
        continue;
      }
      if (above.length + 1 >= documentLimits.indexDepth) throw badImage(`indexes are nested deeper than ${documentLimits.indexDepth}`);
      // Of an index's manifests for one platform the first is meant (image-spec v1.1, image-index.md).
      found.push(...(await this.find(manifest.manifests, [...above, descriptor.digest], own)).slice(0, 1));
    }
    return found;
  }
}

/** Undefined when the image is for another platform. */
async function plan(archive: ArchiveFile, found: Found, offered: string[]): Promise<PlannedImage | undefined> {
  const { layers, config: configDescriptor } = found.manifest;
  const configBytes = await document(archive, configDescriptor);
  const config = parseImageConfig(configBytes);
  if (platformOfConfig(config) !== hostPlatform().name) {
    offered.push(platformOfConfig(config));
    return undefined;
  }
  if (layers.length > imageLimits.layers) throw badImage(`it has more than ${imageLimits.layers} layers`);
  if (layers.length !== config.diffIds.length)
    throw badImage(`its config names ${config.diffIds.length} layers, its manifest ${layers.length}`);
  for (const layer of layers) checkSize(archive, layer);
  return {
    digest: found.descriptor.digest,
    manifest: found.bytes,
    configBytes,
    config,
    layers,
    tags: found.tags,
    stage: (index, path, signal) => archive.stage(blobName(layers[index]?.digest ?? ""), path, signal),
  };
}

/** The images of an OCI layout (image-spec v1.1, image-layout.md). Throws BAD_IMAGE, IMAGE_DIGEST_MISMATCH, IMAGE_NO_PLATFORM. */
export async function planOciLayout(archive: ArchiveFile): Promise<readonly PlannedImage[]> {
  const layout = parseObject(await archive.document("oci-layout"), "oci-layout");
  if (stringField(layout, "imageLayoutVersion")?.startsWith("1.") !== true) throw badImage("its oci-layout has an unknown version");
  const index = parseManifest(await archive.document("index.json"), "");
  if (index.kind !== "index") throw badImage("index.json is no index");
  const walk = new LayoutWalk(archive);
  const found = await walk.find(index.manifests, [], []);
  const images = new Map<string, PlannedImage>();
  for (const one of found) {
    const known = images.get(one.descriptor.digest);
    const planned = known ?? (await plan(archive, one, walk.offered));
    if (planned === undefined) continue;
    images.set(planned.digest, known === undefined ? planned : { ...known, tags: [...known.tags, ...one.tags] });
    if (images.size > imageLimits.images) throw badImage(`the archive has more than ${imageLimits.images} images`);
  }
  if (images.size === 0) throw walk.offered.length > 0 ? noPlatform(walk.offered) : badImage("the archive holds no image");
  return [...images.values()];
}
