import { IsthmusError } from "@isthmus/contract";
import type { ArchiveFile } from "./archive-file.ts";
import { compressionOf } from "./compression.ts";
import { imageLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import { parseImageConfig } from "./image-config.ts";
import { arrayField, isObject, type JsonObject, parseJson, stringField } from "./json.ts";
import { composeManifest, digestOf, mediaTypes } from "./manifest.ts";
import { hostPlatform, noPlatform, type PlannedImage, platformOfConfig } from "./planned-image.ts";
import { tagOrNothing } from "./reference.ts";

/** `<64 hex>.json` or `blobs/sha256/<64 hex>`: the config's name is its digest. */
function digestInName(name: string): string | undefined {
  const match = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(name);
  return match?.[1] === undefined ? undefined : `sha256:${match[1]}`;
}

async function plan(archive: ArchiveFile, item: JsonObject, offered: string[], signal?: AbortSignal): Promise<PlannedImage | undefined> {
  const configName = stringField(item, "Config") ?? "";
  const configBytes = await archive.document(configName);
  const named = digestInName(configName);
  const actual = digestOf(configBytes);
  if (named !== undefined && named !== actual) throw new IsthmusError("IMAGE_DIGEST_MISMATCH", { digest: named, actual });
  const config = parseImageConfig(configBytes);
  if (platformOfConfig(config) !== hostPlatform().name) {
    offered.push(platformOfConfig(config));
    return undefined;
  }
  const names = arrayField(item, "Layers", "manifest.json").map((name) => {
    if (typeof name !== "string") throw badImage("a layer in manifest.json is no text");
    return name;
  });
  if (names.length > imageLimits.layers) throw badImage(`it has more than ${imageLimits.layers} layers`);
  if (names.length !== config.diffIds.length)
    throw badImage(`its config names ${config.diffIds.length} layers, manifest.json ${names.length}`);
  const layers = [];
  for (const name of names) {
    const { digest, sizeBytes, head } = await archive.digest(name, signal);
    layers.push({ digest, sizeBytes, mediaType: mediaTypes.layer[compressionOf(head)] });
  }
  const manifest = composeManifest(configBytes, layers);
  return {
    digest: digestOf(manifest),
    manifest,
    configBytes,
    config,
    layers,
    tags: arrayField(item, "RepoTags", "manifest.json")
      .map(tagOrNothing)
      .filter((tag) => tag !== undefined),
    stage: (index, path, staging) => archive.stage(names[index] ?? "", path, staging),
  };
}

/** The images of a `docker save` archive (moby, image/spec/spec.md). Each gets an OCI manifest of ours. Throws BAD_IMAGE, IMAGE_DIGEST_MISMATCH, IMAGE_NO_PLATFORM. */
export async function planDockerArchive(archive: ArchiveFile, signal?: AbortSignal): Promise<readonly PlannedImage[]> {
  const items = parseJson(await archive.document("manifest.json"), "manifest.json");
  if (!Array.isArray(items) || items.length === 0) throw badImage("manifest.json names no image");
  if (items.length > imageLimits.images) throw badImage(`the archive has more than ${imageLimits.images} images`);
  const offered: string[] = [];
  const images: PlannedImage[] = [];
  for (const item of items) {
    if (!isObject(item)) throw badImage("manifest.json has an entry that is no object");
    const planned = await plan(archive, item, offered, signal);
    if (planned !== undefined) images.push(planned);
  }
  if (images.length === 0) throw noPlatform(offered);
  return images;
}
