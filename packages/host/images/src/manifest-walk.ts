import { documentLimits, imageLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import { parseImageConfig } from "./image-config.ts";
import { type Descriptor, type Manifest, parseManifest } from "./manifest.ts";
import { hostPlatform, type PlannedImage, platformOfConfig } from "./planned-image.ts";

/** Where the documents of images are. Both methods check digest and size: they throw IMAGE_DIGEST_MISMATCH and BAD_IMAGE. */
export interface Documents {
  manifest(descriptor: Descriptor): Promise<Buffer>;
  config(descriptor: Descriptor): Promise<Buffer>;
  /** Throws BAD_IMAGE when a layer cannot be had from there. */
  checkLayer(descriptor: Descriptor): void;
  /** NAME:TAG that the descriptor itself tells */
  tagsOf(descriptor: Descriptor): readonly string[];
}

export interface Found {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly manifest: Extract<Manifest, { kind: "manifest" }>;
  readonly tags: readonly string[];
}

export type PlannedDocuments = Omit<PlannedImage, "stage" | "layers"> & { readonly layers: readonly Descriptor[] };

/** Walks indexes to the image manifests that this host can run. */
export class ManifestWalk {
  /** platforms that were passed over */
  readonly offered: string[] = [];
  readonly #documents: Documents;
  #descriptors = 0;

  constructor(documents: Documents) {
    this.#documents = documents;
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
      const bytes = await this.#documents.manifest(descriptor);
      const manifest = parseManifest(bytes, descriptor.mediaType);
      const own = [...tags, ...this.#documents.tagsOf(descriptor)];
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

  /** Undefined when the image is for another platform. */
  async plan({ descriptor, bytes, manifest, tags }: Found): Promise<PlannedDocuments | undefined> {
    const { layers, config: configDescriptor } = manifest;
    const configBytes = await this.#documents.config(configDescriptor);
    const config = parseImageConfig(configBytes);
    if (platformOfConfig(config) !== hostPlatform().name) {
      this.offered.push(platformOfConfig(config));
      return undefined;
    }
    if (layers.length > imageLimits.layers) throw badImage(`it has more than ${imageLimits.layers} layers`);
    if (layers.length !== config.diffIds.length)
      throw badImage(`its config names ${config.diffIds.length} layers, its manifest ${layers.length}`);
    for (const layer of layers) this.#documents.checkLayer(layer);
    return { digest: descriptor.digest, manifest: bytes, configBytes, config, layers, tags };
  }
}
