import { IsthmusError } from "@isthmus/contract";
import type { ArchiveFile } from "./archive-file.ts";
import { imageLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import { parseObject, stringField } from "./json.ts";
import { type Descriptor, digestOf, parseManifest } from "./manifest.ts";
import { type Documents, ManifestWalk } from "./manifest-walk.ts";
import { noPlatform, type PlannedImage } from "./planned-image.ts";
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

function documentsOf(archive: ArchiveFile): Documents {
  return {
    manifest: (descriptor) => document(archive, descriptor),
    config: (descriptor) => document(archive, descriptor),
    checkLayer: (descriptor) => checkSize(archive, descriptor),
    tagsOf,
  };
}

/** The images of an OCI layout (image-spec v1.1, image-layout.md). Throws BAD_IMAGE, IMAGE_DIGEST_MISMATCH, IMAGE_NO_PLATFORM. */
export async function planOciLayout(archive: ArchiveFile): Promise<readonly PlannedImage[]> {
  const layout = parseObject(await archive.document("oci-layout"), "oci-layout");
  if (stringField(layout, "imageLayoutVersion")?.startsWith("1.") !== true) throw badImage("its oci-layout has an unknown version");
  const index = parseManifest(await archive.document("index.json"), "");
  if (index.kind !== "index") throw badImage("index.json is no index");
  const walk = new ManifestWalk(documentsOf(archive));
  const found = await walk.find(index.manifests, [], []);
  const images = new Map<string, PlannedImage>();
  for (const one of found) {
    const known = images.get(one.descriptor.digest);
    const documents = known ?? (await walk.plan(one));
    if (documents === undefined) continue;
    const { layers } = documents;
    const stage: PlannedImage["stage"] = (layer, path, signal) => archive.stage(blobName(layers[layer]?.digest ?? ""), path, signal);
    images.set(documents.digest, known === undefined ? { ...documents, stage } : { ...known, tags: [...known.tags, ...one.tags] });
    if (images.size > imageLimits.images) throw badImage(`the archive has more than ${imageLimits.images} images`);
  }
  if (images.size === 0) throw walk.offered.length > 0 ? noPlatform(walk.offered) : badImage("the archive holds no image");
  return [...images.values()];
}
